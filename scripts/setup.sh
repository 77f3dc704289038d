#!/bin/sh
# Before anything else of the project can run: its npm packages, among them the Node that runs it. It is plain sh so
# that a system's older Node does not matter. What else is missing is setup.ts's part; $1 is what it is for.
set -e
cd "$(dirname "$0")/.."
installed=node_modules/.package-lock.json
if [ ! -f "$installed" ] || [ package-lock.json -nt "$installed" ]; then
  command -v npm > /dev/null || { echo "npm is missing: install Node.js 20 or later with npm, and run this again" >&2; exit 1; }
  echo "Installing the npm packages of package-lock.json." >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch "$installed"
fi
exec node_modules/.bin/node scripts/setup.ts "$@"
