"""The native API under requests that a program made up from its own description."""

import json
import subprocess
import sys

import requests
from place import Place

# So that what fails here fails again.
SEED = 20130214


def test_nothing_that_is_asked_breaks_the_server(place: Place):
    with place.server() as address:
        headers = {"Authorization": f"Bearer {place.token}"}
        document = requests.get(f"{address}/api/v1/openapi.json", headers=headers, timeout=60)
        assert document.status_code == 200, document.text
        described = place.folder / "openapi.json"
        described.write_text(json.dumps(document.json()))
        asked = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", described, "--url", address),
                *("--header", f"Authorization: {headers['Authorization']}"),
                *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"),
                *("--max-examples", "20", "--seed", str(SEED), "--request-timeout", "30", "--no-color"),
                # What they say is of no use here, and the calls are few and quick.
                *("--suppress-health-check", "all", "--generation-database", "none"),
            ],
            cwd=place.folder,
            env=place.environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert asked.returncode == 0, asked.stdout[-8000:] + asked.stderr[-2000:]
        assert "not_a_server_error" not in asked.stderr
        assert requests.get(f"{address}/api/v1/status", headers=headers, timeout=60).status_code == 200
