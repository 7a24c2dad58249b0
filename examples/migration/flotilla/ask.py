import json, os, sys, urllib.request

url = os.environ.get("FLOTILLA_URL", "http://127.0.0.1:8000")
task = {"text": sys.argv[1], "agent": "clerk"}
# A retry with the same taskId is the same task: set one where your program may send it twice.
request = urllib.request.Request(
    f"{url}/v1/tasks?wait=30",
    data=json.dumps(task).encode(),
    headers={"content-type": "application/json", "authorization": f"Bearer {os.environ.get('FLOTILLA_API_KEY', '')}"},
)
with urllib.request.urlopen(request) as answer:
    result = json.load(answer)
if result["status"] != "succeeded":
    sys.exit(f"{result['status']}: {(result.get('error') or {}).get('message', '')}")
print(result["output"])
