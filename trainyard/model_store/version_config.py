"""Which versions are served under which label: a small file in the model's base path.

The file is a TensorFlow Serving `ModelConfig` in text format, of which the policy and the
labels count. A server looks at it several times a second; whoever promotes a version or
rolls one back writes it whole and is done.

    model_version_policy { latest { num_versions: 2 } }
    version_labels { key: "stable" value: 3 }
    version_labels { key: "canary" value: 4 }

Labelled versions are served whatever the policy. Which version answers requests that name
none is `trainyard.model_store.versions`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from filelock import FileLock
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig as ModelConfig

from trainyard.errors import RecipeError, nearest
from trainyard.files import write_whole
from trainyard.outputs import versions

FILE = "model.config"
STABLE = "stable"
CANARY = "canary"


def read(base_path: Path) -> ModelConfig:
    """Reads the file; without one the config is empty.

    Args:
        base_path: The model's.

    Raises:
        RecipeError: The file is no ModelConfig.
    """
    file = base_path / FILE
    try:
        return text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())
    except FileNotFoundError:
        return ModelConfig()
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"no ModelConfig: {error}",
            where=str(file),
            expected='lines such as: version_labels { key: "stable" value: 3 }',
        ) from None


def served(config: ModelConfig, there: Collection[int]) -> Collection[int]:
    """The versions that a server may choose the default from.

    Args:
        config: What `read` gave.
        there: All versions.
    """
    policy = config.model_version_policy
    named = {*policy.specific.versions, *config.version_labels.values()}
    return named.intersection(there) or there if policy.HasField("specific") else there


def write(base_path: Path, config: ModelConfig) -> None:
    """Writes the file whole; servers follow within their poll interval.

    Args:
        base_path: The model's.
        config: Its policy and labels are kept.
    """
    kept = ModelConfig(version_labels=config.version_labels)
    if config.HasField("model_version_policy"):
        kept.model_version_policy.CopyFrom(config.model_version_policy)
    write_whole(base_path / FILE, text_format.MessageToString(kept))


def label(base_path: Path, labels: Mapping[str, int | None]) -> None:
    """Sets labels: a promotion, a rollback, or a canary.

    Args:
        base_path: The model's.
        labels: Version by label; None takes the label away. With no `stable` the newest
            version answers.

    Raises:
        RecipeError: There is no such version.
    """
    # Servers only read; of two writers the second has to see what the first wrote.
    with FileLock(base_path / f".{FILE}.lock"):
        config = read(base_path)
        for name, version in labels.items():
            if version is None:
                config.version_labels.pop(name, None)
            elif (base_path / str(version) / "saved_model.pb").exists():
                config.version_labels[name] = version
            else:
                raise RecipeError(
                    f"there is no version {version} to be called {name!r}",
                    where=str(base_path),
                    hint=nearest(str(version), [folder.name for folder in versions(base_path)]),
                )
        write(base_path, config)
