# shellcheck shell=sh
# Arms a guard: the functions that the arming script, sent on standard input, begins with. Everything is
# prepared aside and fsynced; the rename of the directory is what arms.
set -eu
umask 077
# Whoever armed it was killed before its time was started: nothing was changed, and nothing ever will be.
abandoned() { [ ! -e "$dir/started" ] && ! systemctl is-active --quiet "pulumi-xen-guard-$name.timer" 9>&-; }
begin() { # NAME
  name=$1
  base=/var/lib/pulumi-xen/guard
  dir=$base/$name
  new=$base/.$name.new
  mkdir -p "$base"
  exec 9>"$base/$name.lock"
  flock 9
  if [ -f "$dir/state" ] && grep -qE '^state=(armed|reverting)$' "$dir/state" && ! abandoned; then
    cat "$dir/state"
    exit 3
  fi
  rm -rf "$new"
  mkdir -p "$new/saved" "$new/new"
  count=0
}
text() { printf '%s' "$2" >"$new/$1"; } # FILE CONTENT
save() { # PATH: its bytes as they are now, or that it is not there
  count=$((count + 1))
  printf '%s' "$1" >"$new/saved/$count.path"
  if [ -f "$1" ]; then
    cp -- "$1" "$new/saved/$count"
    stat -c %a -- "$1" >"$new/saved/$count.mode"
  fi
}
intend() { # PATH MODE CONTENT
  count=$((count + 1))
  printf '%s' "$1" >"$new/new/$count.path"
  printf '%s' "$2" >"$new/new/$count.mode"
  printf '%s' "$3" >"$new/new/$count"
}
intend_absent() { # PATH
  count=$((count + 1))
  printf '%s' "$1" >"$new/new/$count.path"
}
state() { # TOKEN WINDOW GRACE TITLE
  now=$(date +%s)
  printf 'title=%s\ntoken=%s\nwindow=%s\ndeadline=%s\nboot_id=%s\nstate=armed\nsince=%s\n' \
    "$4" "$1" "$2" "$((now + $2 + $3))" "$(cat /proc/sys/kernel/random/boot_id)" "$now" >"$new/state"
  printf '%s armed: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$4" >"$new/log"
  wall=$(date -u -d "@$((now + $2 + $3))" '+%Y-%m-%d %H:%M:%S UTC')
}
units() { # WINDOW GUARD_SH
  printf '%s' "$2" | replace "$base/guard.sh" 600
  at=/etc/systemd/system
  unit=pulumi-xen-guard-$name
  cat >"$at/$unit.service" <<UNIT
[Unit]
Description=Puts the old setting back: $name was changed and nobody confirmed it

[Service]
Type=oneshot
KillMode=process
ExecStart=/bin/sh $base/guard.sh fire $name
TimeoutStartSec=600
UNIT
  # Two clocks: the monotonic one for a host whose wall clock is set meanwhile, the wall clock for a host
  # that was suspended.
  cat >"$at/$unit.timer" <<UNIT
[Unit]
Description=Time in which the change of $name must be confirmed

[Timer]
OnActiveSec=$1
OnCalendar=$wall
AccuracySec=1s
UNIT
  # Not ordered after basic.target: the files must be back before anything configures the network.
  cat >"$at/$unit-boot.service" <<UNIT
[Unit]
Description=Decides at boot about the unconfirmed change of $name
DefaultDependencies=no
RequiresMountsFor=$base /etc
After=local-fs.target systemd-tmpfiles-setup.service
Before=network-pre.target networking.service NetworkManager.service systemd-networkd.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
KillMode=process
ExecStart=/bin/sh $base/guard.sh boot $name
TimeoutStartSec=300

[Install]
WantedBy=multi-user.target
UNIT
  chmod 644 "$at/$unit.service" "$at/$unit.timer" "$at/$unit-boot.service"
  durable "$at/$unit.service" "$at/$unit.timer" "$at/$unit-boot.service"
}
commit() { # rename, then the units that act on it
  find "$new" -type f -exec sync {} + 2>/dev/null || sync
  rm -rf "$base/.$name.old"
  [ ! -d "$dir" ] || mv "$dir" "$base/.$name.old"
  mv "$new" "$dir"
  durable "$base"
  rm -rf "$base/.$name.old"
  systemctl daemon-reload 9>&-
  systemctl enable "$unit-boot.service" 9>&- 2>&1
  systemctl restart "$unit.timer" 9>&-
  durable "$at" "$at/multi-user.target.wants"
}
