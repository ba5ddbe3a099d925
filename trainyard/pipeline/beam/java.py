"""Which Java there is, and how Flink and Spark want it started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from trainyard.errors import EnvironmentProblem

OLDEST, NEWEST = 8, 21  # of Flink 1.19; what an older one takes is in job_servers.py
_SECONDS = 30
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')

# What Java 17 closes and Flink and its serializers look into; `env.java.opts.all` of the
# config.yaml that comes with Flink 1.19.
_EXPORTS = (
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
    "java.security.jgss/sun.security.krb5",
)
_OPENS = (
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
)


def launcher() -> str | None:
    """The `java` of JAVA_HOME, else the one on the path, if there is one."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")


def version(java: str) -> int:
    """Asks a Java for its version.

    Args:
        java: Its launcher.

    Returns:
        Such as 17; 8 for what calls itself 1.8.

    Raises:
        EnvironmentProblem: It does not start, or says something else.
    """
    try:
        told = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        text = told.stderr + told.stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        text = str(error)
    if found := _VERSION.search(text):
        return int(found[1])
    raise EnvironmentProblem(
        "Java does not say its version",
        where=java,
        expected="a version, such as 17",
        received=text.strip()[:200] or "nothing",
        hint="set JAVA_HOME to a Java that starts",
    )


def suitable(newest: int, whose: str) -> list[str]:
    """Returns how a command that runs Java begins.

    Args:
        newest: The last version of Java that will do.
        whose: For whom it has to do, such as `Flink 1.19`.

    Raises:
        EnvironmentProblem: There is no Java, or not the right one.
    """
    expected = f"Java {OLDEST} to {newest} for {whose}"
    java = launcher()
    if java is None:
        raise EnvironmentProblem(
            "there is no Java",
            where=os.environ.get("JAVA_HOME", ""),
            expected=expected,
            hint="install one, set JAVA_HOME, or name a job server in engine.job_endpoint",
        )
    found = version(java)
    if not OLDEST <= found <= newest:
        raise EnvironmentProblem(
            "this is not the right Java",
            where=java,
            expected=expected,
            received=f"Java {found}",
            hint="set JAVA_HOME to another one, or name a job server in engine.job_endpoint",
        )
    return [java, *(_module_options() if found > OLDEST else [])]


def _module_options() -> list[str]:
    return [
        *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS),
        *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS),
    ]
