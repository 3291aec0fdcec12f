"""trimtab: one workbench for hyperparameters."""
