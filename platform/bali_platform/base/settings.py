"""One typed settings object: environment ``BALI_*``, then ``bali.toml``, then defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bali_platform.base.errors import UsageError, did_you_mean


class Settings(BaseSettings):
    """Where things are kept, and which servers to use.

    Every field can be set as ``BALI_<FIELD>`` in the environment, or by name in ``bali.toml`` in
    the working directory. The environment wins.
    """

    model_config = SettingsConfigDict(
        env_prefix="BALI_", toml_file="bali.toml", extra="forbid", frozen=True
    )

    home: Path = Field(
        default_factory=lambda: user_data_path("bali"),
        description="State of this installation: services, graphs, corpora, jobs.",
    )
    cache: Path = Field(
        default_factory=lambda: user_cache_path("bali"),
        description="Downloads that every home shares and that can be fetched again.",
    )
    neo4j_uri: str | None = Field(None, description="Use this Neo4j server, not a local one.")
    neo4j_user: str = "neo4j"
    neo4j_password: SecretStr | None = None
    neo4j_database: str | None = Field(
        None, description="The database of that server; the user's home database by default."
    )
    neo4j_reader: str | None = Field(None, description="Whom the API logs in as, who only reads.")
    neo4j_reader_password: SecretStr | None = None
    neo4j_memory_mb: int | None = Field(
        None, ge=256, description="Memory of the local Neo4j; follows the machine by default."
    )
    redis_url: SecretStr | None = Field(None, description="Use this Redis, not a local one.")
    redis_host: str | None = Field(None, description="The same in parts; they win over the URL.")
    redis_port: int | None = Field(None, ge=1, le=65535)
    redis_database: int | None = Field(None, ge=0)
    redis_user: str | None = None
    redis_password: SecretStr | None = None
    redis_tls: bool | None = Field(None, description="Encrypt, and check the certificate.")
    redis_ca: Path | None = Field(None, description="Trust the certificates of this authority.")
    api_origins: str = Field(
        "", description="Other sites whose pages may ask the API, between commas; * for all."
    )
    store: str | None = Field(
        None, description="Folder or bucket of what follows jobs to other machines: s3://, file://."
    )
    store_cache_gb: float = Field(50, ge=0, description="What copies from the store may take.")
    neighbourhood_cache_mb: int = Field(
        512,
        ge=0,
        description="Memory of Redis for cached neighbourhoods; never more than half of it.",
    )

    @property
    def external_redis(self) -> bool:
        """Whether a Redis is named, so that the home runs none of its own."""
        return bool(self.redis_url or self.redis_host)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, ``bali.toml``."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


OTHER_VARIABLES = frozenset(
    f"BALI_{name}"
    for name in (
        *("API_TOKEN", "DEBUG", "UTS_API_KEY"),
        "LOG_FORMAT",
        *("HOLDER", "PULSE", "REQUEST"),  # a worker tells its children
        *("FUZZ", "FUZZ_IMPORTS", "PICTURES", "REQUIRE"),  # the project's tests
    )
)
"""Variables that are no settings: read where they are needed, or secrets of one command."""


def load_settings() -> Settings:
    """Read the settings, turning a bad value or key into one clear line.

    A home that is new is made here, for nobody else to look into: whoever wrote below it first
    would make it for everybody.
    """
    _refuse_unknown_variables(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        hint = did_you_mean(name, Settings.model_fields) if name else ""
        raise UsageError(f"setting '{name}': {first['msg']}{hint}") from error
    paths: dict[str, object] = {
        "home": settings.home.absolute(),
        "cache": settings.cache.absolute(),
    }
    if settings.store and "://" not in settings.store:
        paths["store"] = str(Path(settings.store).absolute())
    with suppress(OSError):  # one that cannot be made is told by what needs it
        settings.home.mkdir(parents=True, mode=0o700)
    return settings.model_copy(update=paths)


def _refuse_unknown_variables(names: Iterable[str]) -> None:
    known = {*OTHER_VARIABLES, *(f"BALI_{name.upper()}" for name in Settings.model_fields)}
    for name in sorted(names):
        if name.startswith("BALI_") and name not in known:
            endings = [word.removeprefix("BALI_") for word in known]
            hint = did_you_mean(name.removeprefix("BALI_"), endings, prefix="BALI_")
            raise UsageError(f"{name}: there is no such setting{hint or ': unset it'}")
