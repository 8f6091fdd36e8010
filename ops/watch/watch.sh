#!/bin/sh
# Runs a command that looks, now and for ever: `watch.sh SECONDS COMMAND…`, with so many seconds after each look.
#
# What it prints about persons is for whoever asks by hand: standard output goes nowhere, only words for people reach the
# log, and the figures go where the command's own --textfile says. 0 and 1 are answers. Any other end means that it could
# not look (broker or store away), and is tried again after a minute.
set -u
every=$1
shift
child=
trap 'kill "$child" 2>/dev/null; exit 0' TERM INT
while :; do
  "$@" >/dev/null &
  child=$!
  ended=0
  wait "$child" || ended=$?
  pause=$every
  if [ "$ended" -gt 1 ]; then
    echo "could not look (exit $ended)" >&2
    [ "$every" -le 60 ] || pause=60
  fi
  sleep "$pause" &
  child=$!
  wait "$child" || true
done
