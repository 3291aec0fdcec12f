"""Bridges to other tools. Nothing in trimtab imports this package; each bridge loads its tool when it is used."""
