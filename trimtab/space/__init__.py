"""What may vary: domains, conditions, rules, and how configurations become arrays."""

from trimtab.space._coding import Column
from trimtab.space._structured import Permutation, Simplex, Subset
from trimtab.space.domains import Bool, Choice, Const, Derived, Float, Int
from trimtab.space.expression import Expression
from trimtab.space.space import Space

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
    "Simplex",
    "Space",
    "Subset",
]
