"""The configuration of every process: read once at its start, documented here."""

import argparse
import os
import re
import sys
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from core.private_files import keep_private
from core.redis_address import check_redis_url
from core.schema import KEEP_SECONDS

# Where the code lies. `.env` and the default data folder are there, not in the working directory: a
# stranger's folder that somebody works in must not lead a command to a stranger's Redis.
HOME = Path(__file__).parents[1]

# Where Docker and Kubernetes put secrets: one file each, named like the variable.
SECRETS_DIR = Path("/run/secrets")

REDIS_URL_FILE = "redis.url"  # in the data folder; the one-machine stack writes it

Network = IPv4Network | IPv6Network

# A scheme, which an app's web view may have made up, a host and maybe a port; or that of a page
# without an origin.
_ORIGIN = r"[a-z][a-z0-9+.-]*://[^\s/?#@,*]+|null"

_HOST = r"[a-z0-9_.-]+|[0-9a-f:.]+"  # a name, or an IP address


# A model that is served under a name of its own: `name=path`.
_NAMED_MODEL = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)")


class SettingsSources(BaseSettings):
    """Where settings come from: the environment, a `.env` file, files of secrets."""

    model_config = SettingsConfigDict(
        env_prefix="BARET_",
        env_file=HOME / ".env",
        extra="ignore",
        hide_input_in_errors=True,  # a password may have been put into the wrong variable
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add files of secrets as a source, if their folder exists."""
        folder = Path(os.environ.get("BARET_SECRETS_DIR") or SECRETS_DIR)
        files = (SecretsSettingsSource(settings_cls, folder),) if folder.is_dir() else ()
        return (init_settings, env_settings, dotenv_settings, *files)


class Settings(SettingsSources):
    """Settings from the environment, a `.env` file or files of secrets; the first source wins.

    Variables are named `BARET_…` (and `REDIS_URL`). `.env` is read from the code's folder, and
    secrets from /run/secrets (`BARET_SECRETS_DIR`), one file per variable, with the same names.
    Neither `repr` nor an error message about a wrong value shows a secret.
    """

    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, description="port the API listens on")
    public_url: str = Field(
        "",
        description="public base URL of the service, such as https://photos.example; URLs in "
        "responses and webhooks begin with it; if unset, the Host header of each request is used",
    )
    trusted_network: bool = Field(
        False,
        description="allow the API to listen beyond loopback without any API key, because a "
        "firewall or a container network protects the port; once a key has been created, "
        "every request needs one",
    )
    data_dir: Path = Field(
        HOME / "data",
        description="folder for images, Valkey's data and logs; unset: data, in the code's folder",
    )
    model: str = Field(
        "zoo",
        description="bundled name, diffusers folder, .safetensors file or Hub id; also the API's "
        "default model; name=path serves it under a name of its own",
    )
    models: str = Field(
        "",
        description="several models for one worker instead of BARET_MODEL, separated by commas, "
        "each as there; a setting for one of them ends with its name, such as BARET_VAE__PHOTO",
    )
    model_memory_gb: float = Field(
        0.0,
        ge=0,
        description="gigabytes that the weights of a worker's models may take together; 0: 60 % of "
        "the device's free memory",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 …; auto prefers a GPU")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="auto: float16 on CUDA, float32 on a CPU"
    )
    prediction: Literal["auto", "epsilon", "v_prediction", "v_prediction_zero_snr"] = Field(
        "auto",
        description="what the model's UNet predicts; auto finds out, and refuses a model that "
        "contradicts itself",
    )
    sampling: Literal["auto", "full", "distilled"] = Field(
        "auto",
        description="distilled: by default few steps and no guidance, for models of LCM, Turbo, "
        "Lightning or Hyper whose files do not say so; full: the usual, whatever the model says",
    )
    vae: str = Field(
        "",
        description=".safetensors file or folder of a VAE to use instead of the model's own, or "
        "where it has none",
    )
    lora: str = Field(
        "",
        description="LoRA files (.safetensors) to fuse into the model, each with its scale, "
        "separated by commas, such as /models/style.safetensors:0.8,/models/hat.safetensors",
    )
    embeddings: str = Field(
        "",
        description="textual inversion files (.safetensors, .pt, .bin) that teach the model a word "
        "each, its file's name or as in word=path, separated by commas",
    )
    long_prompts: Literal["truncate", "windows"] = Field(
        "truncate",
        description="truncate: the end of a text that is longer than the model reads is left out; "
        "windows: up to 4 times as much is read, in windows",
    )
    concurrency: str = Field(
        "auto",
        description="edits that a worker runs at once; auto: as many as fill the GPU's calls, by "
        "measured memory, at most 16; on a CPU 1, because one edit uses it fully",
    )
    store_url: str = Field(
        "",
        description="object store for images, such as s3://…; unset: in the data folder",
    )
    direct_uploads: bool = Field(
        True,
        description="give apps the object store's own signed URLs to send photos to; false: they "
        "send them to the service, because they cannot reach the store",
    )
    direct_downloads: bool = Field(
        False,
        description="send apps that open an output's address on to the object store's own signed "
        "URL; they must be able to reach the store",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        validation_alias="REDIS_URL",
        description="Redis or Valkey server, or its Sentinels; unset: the Valkey that the "
        "one-machine stack runs",
    )
    redis_password: SecretStr = Field(
        SecretStr(""),
        validation_alias="REDIS_PASSWORD",
        description="password of that server, if the URL has none: a secret of its own",
    )
    allow_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="private networks that image and webhook URLs may reach, separated by commas, "
        "such as 127.0.0.0/8; also for public addresses of this host itself",
    )
    deny_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="networks that image and webhook URLs may not reach although they are public, "
        "separated by commas, such as those of your own servers; wins over allowed ones",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="names, separated by commas, under which a service without keys answers, "
        "besides loopback's and that of BARET_PUBLIC_URL; such as api,192.168.1.5",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="origins whose web pages may call the service with a key, separated by commas, "
        "such as https://app.example; unset: all; without any key: none",
    )
    inversion_cache_mb: int = Field(
        256,
        ge=0,
        description="maximum megabytes of cached inversions per caller; they make another edit of "
        "the same image with the same prompt faster; 0 turns the cache off",
    )
    mark_outputs: bool = Field(
        True, description="mark every output, machine-readably, as made by a model (XMP)"
    )
    c2pa_certificate: str = Field(
        "",
        description="PEM file; if set, outputs also carry a signed C2PA manifest",
    )
    c2pa_key: str = Field("", description="PEM file (PKCS #8) of the certificate's private key")
    c2pa_algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = (
        Field("es256", description="signature algorithm of the key")
    )
    content_check: bool = Field(
        True,
        description="refuse outputs that the model's own safety checker, if it has one, rejects",
    )
    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="port of the worker's Prometheus metrics; 0 turns them off"
    )
    queue_limit: int = Field(
        1000,
        description="maximum edits waiting for one model; a caller that has none in flight still "
        "gets one place in a full queue; 0: no edits are accepted",
    )
    requests_per_minute: int = Field(
        600,
        ge=1,
        description="maximum requests of a key in any minute; a key can have its own limit",
    )
    edits_per_key: int = Field(
        100,
        ge=1,
        description="maximum edits of a key waiting or running; a key can have its own limit",
    )
    image_mb_per_key: int = Field(
        50_000,
        ge=0,
        description="maximum megabytes of photos and outputs that a key's edits hold in the image "
        "storage, or all edits of a service without keys; 0: any number",
    )
    record_mb_per_key: int = Field(
        500,
        ge=0,
        description="maximum megabytes of Redis that a key's edits take, or all edits of a service "
        "without keys; 0: any number",
    )
    decoders: int = Field(
        0,
        ge=0,
        description="images that an API process decodes at once, and as many that it converts; 0: "
        "as many as there are cores, at least 2 and at most 4",
    )
    streams: int = Field(
        2000,
        ge=2,
        description="event streams and waiting requests that an API process holds at once; one "
        "caller has at most half of them, and less while others need them",
    )
    share_wait: float = Field(
        30.0,
        gt=0,
        description="seconds that a request waits for its turn, in order to decode an image, for "
        "example, before it is refused",
    )
    edit_timeout: float = Field(1800, description="seconds after which a running edit fails")
    retention: float = Field(
        KEEP_SECONDS,
        ge=1,
        description="seconds for which an ended edit and its images are kept; the default is 4 "
        "days, longer than webhooks are retried (3½ days), so that none finds its edit deleted",
    )
    otlp_endpoint: str = Field(
        "",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="collector for traces (OTLP over HTTP); unset: no traces",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING, ERROR")
    log_format: Literal["console", "json"] = Field("console", description="format of log lines")

    @field_validator("allow_networks", "deny_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError("Give networks such as 10.1.0.0/16, separated by commas.") from None

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(part.strip().lower().strip("[]") for part in value.split(","))
        if not all(re.fullmatch(_HOST, host) for host in hosts if host):
            raise ValueError("Give names or IP addresses without ports, separated by commas.")
        return tuple(host for host in hosts if host)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(part.strip().lower().rstrip("/") for part in value.split(","))
        if not all(re.fullmatch(_ORIGIN, origin) for origin in origins if origin):
            raise ValueError("Give origins such as https://app.example, separated by commas.")
        return tuple(origin for origin in origins if origin)

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        complete = parts.scheme in ("http", "https") and parts.hostname
        if value and (not complete or parts.username or parts.query or parts.fragment):
            raise ValueError(
                "Give an http:// or https:// URL with a host, and no query or fragment."
            )
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr) -> SecretStr:
        if url := value.get_secret_value():
            check_redis_url(url)
        return value

    @cached_property
    def public_path(self) -> str:
        """Return the path of the public URL, such as /baret; usually empty."""
        return urlsplit(self.public_url).path

    @cached_property
    def images_url(self) -> str:
        """Return the URL of the image storage, as `obstore` takes it."""
        if self.store_url:
            return self.store_url
        folder = self.data_dir.absolute() / "pictures"
        return folder.as_uri()

    @cached_property
    def broker_url(self) -> str:
        """Return the URL of Redis, or of the Valkey of a stack that runs on the same data folder.

        Raises:
            RuntimeError: neither exists; the message says what to set.
        """
        if url := self.redis_url.get_secret_value():
            return with_password(url, self.redis_password.get_secret_value())
        url_file = self.data_dir / REDIS_URL_FILE
        if url_file.is_file():
            return url_file.read_text().strip()
        raise RuntimeError(
            "No Redis is configured. Set REDIS_URL, or start the one-machine stack with "
            f"`make run`, which writes {url_file}."
        )

    @property
    def model_name(self) -> str:
        """Return the model's public name, which is never a path of this machine."""
        return _public_name(self.model)

    @property
    def model_path(self) -> str:
        """Return where the model is: a bundled name, folder, file or hub id."""
        return _split_name(self.model)[1]

    @property
    def model_list(self) -> tuple[str, ...]:
        """Return the models of a worker, as they are written in BARET_MODELS or BARET_MODEL."""
        several = tuple(part.strip() for part in self.models.split(",") if part.strip())
        return several or (self.model,)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Return the public names of a worker's models."""
        return tuple(_public_name(one) for one in self.model_list)

    @property
    def default_model_name(self) -> str:
        """Return the model of requests that name none: BARET_MODEL, or the first of several."""
        names = self.model_names
        return self.model_name if self.model_name in names else names[0]

    @property
    def concurrency_limit(self) -> int | None:
        """Return `concurrency` as a number, or None to let the worker decide."""
        return None if self.concurrency == "auto" else max(1, int(self.concurrency))


def with_password(url: str, password: str) -> str:
    """Return a server's URL with a password, unless it has one or there is none to add."""
    parts = urlsplit(url)
    if not password or parts.password is not None:
        return url
    location = (
        f"{parts.username or ''}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    )
    return parts._replace(netloc=location).geturl()


def _split_name(model: str) -> tuple[str, str]:
    """Return a model's own name, empty if it has none, and where it is."""
    named = None if Path(model).exists() else _NAMED_MODEL.fullmatch(model)
    return (named[1], named[2]) if named else ("", model)


def _public_name(model: str) -> str:
    name, where = _split_name(model)
    path = Path(where)
    if path.suffix == ".safetensors":
        return name or path.stem
    return name or (path.name if path.is_dir() else where)


def read_settings(module: str, about: str) -> Settings:
    """Read a process' settings. It takes no arguments but `--help`, which prints them.

    What the process writes from then on, and the data folder, are for its own user alone.

    Exits:
        with 0 after printing help; with 2 for any argument; with 1 and a line on standard error if
        a setting is not valid, or others can read the data folder and this user cannot change it.

    Args:
        module: as in `python -m module`.
        about: what the process does.
    """
    lines = "\n".join(
        f"  {field.validation_alias or f'BARET_{name.upper()}'}: {field.description}"
        for name, field in Settings.model_fields.items()
    )
    argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=about,
        epilog=f"Settings come from the environment or a .env file (docs/deploy.md):\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"A setting is not valid: {error}")
    try:
        keep_private(settings.data_dir)
    except PermissionError:
        sys.exit(
            f"The data folder {settings.data_dir} can be read by others and is not this user's to "
            "close. Change its owner or its mode (0700), or set BARET_DATA_DIR to another one."
        )
    return settings
