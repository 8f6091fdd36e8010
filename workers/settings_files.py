"""Settings that are files: certificates and keys that must fit, secrets that are mounted as a folder.

Whatever does not fit is said at the start, by variable. Otherwise it would be noticed only when a server is spoken to.
"""

import ssl
from pathlib import Path

from pydantic import SecretStr


def unfit_authority(variable: str, path: Path | None) -> list[str]:
    """What keeps a file from being the certificate of an authority. A file that is missing is told elsewhere."""
    if path is None or not path.exists():
        return []
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        return [f"{variable}: {path} holds no certificate in PEM"]
    except OSError as error:
        return [f"{variable}: {path} cannot be read: {error.strerror}"]
    return []


def unfit_certificate(server: str, certificate: Path | None, key: Path | None, password: SecretStr | None) -> list[str]:
    """What keeps our own certificate from being shown to a server: `KAFKA` or `REDIS`."""
    variable = f"{server}_TLS_CERT_FILE"
    if certificate is None or key is None:
        lonely = certificate is not key
        return [f"{variable}: give the certificate and its {server}_TLS_KEY_FILE, or neither"] if lonely else []
    if not certificate.exists() or not key.exists():
        return []
    try:
        # An empty password where none is given: without one OpenSSL would ask for it at the terminal.
        ssl.create_default_context().load_cert_chain(certificate, key, password.get_secret_value() if password else "")
    except ssl.SSLError:
        opens = f"{server}_TLS_KEY_PASSWORD does not open the key"
        return [f"{variable}: certificate and key are not both in PEM, or not of each other, or {opens}"]
    except OSError as error:
        return [f"{variable}: certificate or key cannot be read: {error.strerror}"]
    return []


def secrets_in(folder: str | None, prefix: str) -> tuple[list[str], list[str]]:
    """The variables that a folder of secrets gives, and one line for each of them that cannot be read."""
    if not folder or not Path(folder).is_dir():
        return [], []
    names, faults = [], []
    for path in sorted(Path(folder).iterdir()):
        variable = path.name.upper()
        if not variable.startswith(prefix):
            continue  # a folder of secrets may be shared with other programs
        names.append(variable)
        try:
            path.read_text(encoding="utf-8")
        except OSError as error:
            faults.append(f"{variable}: {path} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{variable}: {path} is not UTF-8")
    return names, faults
