"""How the documentation is built: sphinx-build -W docs docs/_build. Nothing is loaded from the network."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import trimtab  # noqa: E402

project = "trimtab"
author = "the trimtab founders"
copyright = author
version = release = trimtab.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "from_the_code"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_parts"]
nitpicky = False
smartquotes = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "trimtab"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
