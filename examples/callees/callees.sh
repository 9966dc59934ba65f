#!/usr/bin/env bash
# People who are called, on 127.0.0.1:5080 (or the port that is given), until Ctrl-C: what each of them does follows from
# the last two digits of the number; see callees.xml. Needs the Debian packages sip-tester and flite.
#
#   examples/callees/callees.sh &
#   dialplane run examples/callees/contacts.csv --agent examples/callees/agent.yaml --carrier examples/sip.yaml
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../.venv/bin/python}
folder=$(mktemp -d)
callees=
trap '[ -z "$callees" ] || kill "$callees" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 0' INT TERM
cd "$folder"
"$python" "$here/speech.py" "yes please" yes.ulaw
"$python" "$here/speech.py" "please stop calling me" stop.ulaw
sipp -sf "$here/callees.xml" -i 127.0.0.1 -p "${1:-5080}" -mi 127.0.0.1 -mp "${MEDIA_PORT:-6080}" -aa -nostdin \
  -trace_msg -message_file "${MESSAGES:-$folder/messages}" >/dev/null &
callees=$!
wait "$callees"
