"""What may vary: domains, conditions, rules, and how configurations become arrays."""

from trimtab.space._coding import Column
from trimtab.space.domains import Bool, Choice, Const, Derived, Float, Int
from trimtab.space.expression import Expression
from trimtab.space.repeat import Repeat
from trimtab.space.space import Space
from trimtab.space.structured import Permutation, Simplex, Subset

__all__ = [
    "Bool",
    "Choice",
    "Column",
    "Const",
    "Derived",
    "Expression",
    "Float",
    "Int",
    "Permutation",
    "Repeat",
    "Simplex",
    "Space",
    "Subset",
]
