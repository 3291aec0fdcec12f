"""tt.SearchCV: a scikit-learn search with a trimtab study behind it."""

from trimtab._extras import need

need("sklearn", extra="sklearn", to="search with tt.SearchCV")  # its base class must be there before ours can be

from trimtab.integrations.sklearn._search import SearchCV  # noqa: E402

__all__ = ["SearchCV"]
