# The sandbox server as a function of Modal (https://modal.com), for the http executor: docs/sandbox-http.md.
#
#   pip install modal && modal setup
#   modal secret create flotilla-sandbox FLOTILLA_SANDBOX_TOKEN=…
#   modal deploy deploy/sandbox-http/modal_app.py        # prints the URL for FLOTILLA_SANDBOX_URL
#
# Not run by Flotilla's tests: it needs an account. One container, because a session lives in one; when Modal stops it, waiting
# sessions are rebuilt from their logs in the next.
import os
import subprocess

import modal

HERE = os.path.dirname(os.path.abspath(__file__))
EXECUTORS = 'services/code-sandbox/executors'
FROM = os.path.normpath(os.path.join(HERE, '..', '..', EXECUTORS))
SERVER = '/opt/flotilla/deploy/sandbox-http/server.py'

image = (
    modal.Image.debian_slim(python_version='3.13')
    # Packages for steps to import: .uv_pip_install('numpy'), and their names in FLOTILLA_SANDBOX_PACKAGES.
    .env({'HOST': '0.0.0.0', 'PORT': '8080'})
    .add_local_dir(os.path.join(FROM, 'python'), f'/opt/flotilla/{EXECUTORS}/python')
    .add_local_dir(os.path.join(FROM, 'cpython'), f'/opt/flotilla/{EXECUTORS}/cpython')
    .add_local_file(os.path.join(HERE, 'server.py'), SERVER)
)
app = modal.App('flotilla-sandbox', image=image)


@app.function(
    secrets=[modal.Secret.from_name('flotilla-sandbox', required_keys=['FLOTILLA_SANDBOX_TOKEN'])],
    cpu=4,
    memory=4096,
    max_containers=1,
    scaledown_window=300,
    timeout=86_400,
)
@modal.concurrent(max_inputs=200)
@modal.web_server(8080, startup_timeout=60)
def sandbox():
    subprocess.Popen(['python3', '-s', '-P', '-B', SERVER])
