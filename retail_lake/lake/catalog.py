"""Opening the Iceberg catalog that `catalog_uri` names: an SQL database, the Glue Data Catalog, or a REST catalog.

Belongs here: addresses, properties and what each kind needs to be safe. Does not: tables (`lake.py`) or retries
(`commit.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from retail_lake.config import PREFIX, Settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.forms import GLUE_CATALOG
from retail_lake.storage import CONNECT_SECONDS, REQUEST_SECONDS

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.catalog.sql import SqlCatalog

NAME: Final = "lake"
# Longer ones are refused by Glue, which counts bytes.
_COMMENT_BYTES, _DESCRIPTION_BYTES = 255, 2048
# The errors that pyiceberg itself knows what to do about.
_UNDERSTOOD: Final = {
    "AlreadyExistsException": ("CreateDatabase", "CreateTable"),
    "EntityNotFoundException": None,
    "ConcurrentModificationException": ("UpdateTable",),
}


def is_glue(catalog_uri: str) -> bool:
    """Whether the address names the Glue Data Catalog."""
    return GLUE_CATALOG.fullmatch(catalog_uri) is not None


def open_catalog(settings: Settings, location: str) -> Catalog:
    """Open the catalog; `location` is the lake's root as a URI. Raises `ConfigurationFailure` for an address that SQLAlchemy does
    not know, or one whose driver is not installed."""
    uri = settings.catalog_uri
    properties = _properties(settings, location)
    if found := GLUE_CATALOG.fullmatch(uri):
        return _glue(settings, found[1], properties)
    if uri.startswith(("http://", "https://")):
        from pyiceberg.catalog.rest import RestCatalog

        return RestCatalog(NAME, uri=uri, **properties)
    if uri.startswith("sqlite:///"):
        settings.home.mkdir(parents=True, exist_ok=True)
    return _sql(uri, properties)


def _sql(uri: str, properties: dict[str, str]) -> SqlCatalog:
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy.exc import ArgumentError

    # A server may have been started anew since a connection was last used.
    ping = "false" if uri.startswith("sqlite") else "true"
    kind = uri.partition("://")[0]  # of the address only what comes before its user and password may be told
    try:
        return SqlCatalog(NAME, uri=uri, pool_pre_ping=ping, **properties)
    except ModuleNotFoundError as error:
        raise ConfigurationFailure(
            f"{PREFIX}CATALOG_URI: the driver {error.name} of {kind}:// is not installed: install it, or name the one you have, "
            "as in postgresql+psycopg://"
        ) from error
    except (ArgumentError, ValueError) as error:
        raise ConfigurationFailure(f"{PREFIX}CATALOG_URI: {kind}://… is no address that SQLAlchemy knows") from error


def _properties(settings: Settings, location: str) -> dict[str, str]:
    """How files are reached. Encryption is the bucket's own default, so that whoever writes there gets it."""
    properties = {"warehouse": location}
    if location.startswith("s3://"):
        properties |= {"s3.region": settings.region} | ({"s3.endpoint": settings.s3_endpoint} if settings.s3_endpoint else {})
        properties |= {"s3.connect-timeout": str(CONNECT_SECONDS), "s3.request-timeout": str(REQUEST_SECONDS)}
    if settings.py_io_impl:
        properties["py-io-impl"] = settings.py_io_impl
    return properties


def _glue(settings: Settings, account: str | None, properties: dict[str, str]) -> GlueCatalog:
    from retail_lake.aws import client

    glue = client("glue", settings)
    glue.meta.events.register("after-call.glue", _refuse)
    glue.meta.events.register("after-call-error.glue", _not_reached)
    if account:
        glue.meta.events.register("provide-client-params.glue", lambda params, **_: {"CatalogId": account, **params})
    # An archived version of the Glue table per commit would be kept, counted against a quota, and never read.
    return _glue_catalog()(NAME, client=glue, **{"glue.skip-archive": "true"}, **properties)


def _refuse(parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Turn an error of Glue's into a failure, but for those that pyiceberg answers itself."""
    from botocore.exceptions import ClientError

    from retail_lake.aws import failure_of

    code = parsed.get("Error", {}).get("Code")
    operations = _UNDERSTOOD.get(code, ())
    if code and operations is not None and model.name not in operations:
        error = ClientError(parsed, model.name)
        raise failure_of(error, f"{PREFIX}CATALOG_URI, the Glue Data Catalog") from error


def _not_reached(exception: Exception, **_: Any) -> None:
    from retail_lake.aws import failure_of

    raise failure_of(exception, f"{PREFIX}CATALOG_URI, the Glue Data Catalog") from exception


def _glue_catalog() -> type[GlueCatalog]:
    """pyiceberg's Glue catalog, made on use: importing it costs a second that a local lake need not pay."""
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

    from retail_lake.failure import TransientFailure

    class LakeInGlue(GlueCatalog):
        """Locked optimistically by Glue's own table version, and by nothing else beside it.

        An answer that got lost makes the client ask again, and Glue then sees a conflict with the commit that has
        already landed. pyiceberg would clean up the files of a commit that readers see: so a refused commit is looked
        for before it counts as refused.
        """

        def _create_glue_table(self, database_name: str, table_name: str, table_input: Any) -> None:
            super()._create_glue_table(database_name, table_name, _fitted(table_input))

        def _update_glue_table(self, database_name: str, table_name: str, table_input: Any, version_id: str) -> None:
            try:
                super()._update_glue_table(database_name, table_name, _fitted(table_input), version_id)
            except (CommitFailedException, TransientFailure):
                if not self._landed(database_name, table_name, table_input["Parameters"]["metadata_location"]):
                    raise

        def _landed(self, database: str, table: str, metadata_location: str) -> bool:
            """Whether a commit's metadata is the table's, or was before another commit came on top of it."""
            try:
                now = self.load_table((database, table))
            except NoSuchTableError:
                return False
            return metadata_location in (now.metadata_location, *(entry.metadata_file for entry in now.metadata.metadata_log))

    return LakeInGlue


def _fitted(table_input: dict[str, Any]) -> dict[str, Any]:
    """What Glue shows of a table: its description, and comments as long as Glue takes them. Iceberg keeps them whole."""
    storage = table_input["StorageDescriptor"]
    columns = [
        {**column, "Comment": _shortened(column["Comment"], _COMMENT_BYTES)} if "Comment" in column else column
        for column in storage["Columns"]
    ]
    described = table_input["Parameters"].get("comment")
    return {
        **table_input,
        **({"Description": _shortened(described, _DESCRIPTION_BYTES)} if described else {}),
        "StorageDescriptor": {**storage, "Columns": columns},
    }


def _shortened(text: str, limit: int) -> str:
    """One line of at most so many bytes."""
    line = " ".join(text.split())
    if len(line.encode()) <= limit:
        return line
    return line.encode()[: limit - 3].decode(errors="ignore") + "…"
