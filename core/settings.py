"""The configuration of every process, read once at its door and documented only here."""

import os
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from core.schema import KEEP_SECONDS

# Where Docker and Kubernetes put secrets: a file each, named as the variable.
SECRETS_DIR = Path("/run/secrets")

REDIS_URL_FILE = "redis.url"  # in the data folder, written by the one-machine stack

Network = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """Environment variables `BARET_…` (and `REDIS_URL`), or a `.env` file beside the process, or
    files in /run/secrets (`BARET_SECRETS_DIR`) of the same names; the first that has it counts.

    Neither what is printed of it nor what is said of a wrong value holds a secret.
    """

    model_config = SettingsConfigDict(
        env_prefix="BARET_",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,  # a password may have been put into the wrong variable
    )

    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, description="port the API listens on")
    public_url: str = Field(
        "",
        description="address under which callers know the service, such as "
        "https://photos.example: every address in answers and webhooks begins with it; unset: what "
        "each request's Host header says",
    )
    trusted_network: bool = Field(
        False,
        description="listen beyond loopback without any key, because a firewall or a container "
        "network protects the port; once a key was made, keys are asked for all the same",
    )
    data_dir: Path = Field(Path("data"), description="folder for pictures, Valkey's data and logs")
    model: str = Field(
        "zoo",
        description="bundled name, diffusers folder, .safetensors file or hub id; "
        "the API takes it as the default model",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 …; auto takes a GPU if it can")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="auto: float16 on CUDA, float32 on a CPU"
    )
    concurrency: str = Field(
        "auto",
        description="edits in flight a worker; auto is as many as fill a GPU's calls by its "
        "measured memory, at most 16, and 1 on a CPU, which one edit fills",
    )
    store_url: str = Field(
        "", description="object store of the pictures: a folder under the data folder, or s3://…"
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        validation_alias="REDIS_URL",
        description="unset: the Valkey that the one-machine stack runs",
    )
    allow_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="comma-separated networks that picture and webhook URLs may reach "
        "although they are not public, such as 127.0.0.0/8",
    )
    inversion_cache_mb: int = Field(
        256,
        ge=0,
        description="most megabytes of inversions kept for each caller, so that the same picture "
        "is edited again faster; 0 keeps none",
    )
    mark_outputs: bool = Field(
        True, description="say in every output, machine-readably, that a model made it (XMP)"
    )
    c2pa_certificate: str = Field(
        "", description="PEM file; with it outputs carry a signed C2PA manifest too"
    )
    c2pa_key: str = Field("", description="PEM file (PKCS #8) of the certificate's private key")
    c2pa_algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = (
        Field("es256", description="how the key signs")
    )
    content_check: bool = Field(
        True,
        description="refuse outputs that the safety checker refuses which a model brings along",
    )
    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="port of the worker's Prometheus metrics; 0 serves none"
    )
    queue_limit: int = Field(1000, description="most edits that may wait for one model")
    requests_per_minute: int = Field(
        600, ge=1, description="most requests of a key in any minute; a key can have its own limit"
    )
    edits_per_key: int = Field(
        100,
        ge=1,
        description="most edits of a key that may wait or run; a key can have its own limit",
    )
    edit_timeout: float = Field(1800, description="seconds after which a running edit is given up")
    retention: float = Field(
        KEEP_SECONDS,
        ge=1,
        description="seconds that an edit and its pictures are kept after its end: 4 days, longer "
        "than webhooks are tried (3½ days), so that none finds its edit gone",
    )
    otlp_endpoint: str = Field(
        "",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="collector of traces (OTLP over HTTP); unset: none are kept",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING, ERROR")
    log_format: Literal["console", "json"] = Field("console", description="how log lines look")

    @field_validator("allow_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError("Give networks such as 10.1.0.0/16, separated by commas.") from None

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname
        if value and (not whole or parts.username or parts.query or parts.fragment):
            raise ValueError("Give http:// or https:// with a host, and nothing after the path.")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            whole = parts.scheme in ("redis", "rediss", "unix") and parts.port != 0
        except ValueError:  # it quotes what it cannot read
            whole = False
        if url and not whole:
            raise ValueError(
                "Give redis://, rediss:// or unix://; percent-encode `/`, `?`, `#` and `@` in the "
                "password."
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read files of secrets too, where there is a folder of them."""
        folder = Path(os.environ.get("BARET_SECRETS_DIR") or SECRETS_DIR)
        files = (SecretsSettingsSource(settings_cls, folder),) if folder.is_dir() else ()
        return (init_settings, env_settings, dotenv_settings, *files)

    @cached_property
    def images_url(self) -> str:
        """Where pictures are kept, as a URL that `obstore` understands."""
        if self.store_url:
            return self.store_url
        folder = self.data_dir.absolute() / "pictures"
        return folder.as_uri()

    @cached_property
    def broker_url(self) -> str:
        """Redis, or the embedded Valkey of a stack that runs on the same data folder.

        Raises:
            RuntimeError: neither is there; the message says what to set.
        """
        if url := self.redis_url.get_secret_value():
            return url
        note = self.data_dir / REDIS_URL_FILE
        if note.is_file():
            return note.read_text().strip()
        raise RuntimeError(
            f"No Redis: set REDIS_URL, or start the one-machine stack with `make run` "
            f"(it writes {note})."
        )

    @property
    def model_name(self) -> str:
        """How clients call the model: never a path of this machine."""
        path = Path(self.model)
        if path.suffix == ".safetensors":
            return path.stem
        return path.name if path.is_dir() else self.model

    @property
    def edits_in_flight(self) -> int | None:
        """Concurrency as a number; None leaves it to the worker."""
        return None if self.concurrency == "auto" else max(1, int(self.concurrency))
