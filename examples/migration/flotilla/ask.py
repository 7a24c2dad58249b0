import json, os, sys, urllib.error, urllib.request

url = os.environ.get("FLOTILLA_URL", "http://127.0.0.1:8000")
headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ.get('FLOTILLA_API_KEY', '')}"}

def fleet(path, body=None):
    """The fleet's answer; {} while a task has no result. A refusal ends the program with its reason."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, data, headers)) as answer:
            return json.loads(answer.read() or "{}")
    except urllib.error.HTTPError as refusal:
        sys.exit(refusal.read().decode())

# A retry with the same taskId is the same task: set one where your program may send it twice.
result = fleet("/v1/tasks?wait=30", {"text": sys.argv[1], "agent": "clerk"})
task_id = result["taskId"]
# A request waits for 30 seconds at most: then there is only the id, and the next request goes on waiting.
while "status" not in result:
    result = fleet(f"/v1/tasks/{task_id}/result?wait=30")
if result["status"] != "succeeded":
    sys.exit(f"{result['status']}: {(result.get('error') or {}).get('message', '')}")
print(result["output"])
