import type { HostFacts } from "../facts/types.ts"
import type { Originals } from "../originals.ts"
import { type Action, run } from "../step.ts"
import { setAssignments } from "./assignments.ts"
import type { Dom0Wanted } from "./wanted.ts"

/** Debian's Xen reads /etc/default, Xen's own units (EL, SUSE) read /etc/sysconfig. */
const DAEMON = { debian: "/etc/default/xen", other: "/etc/sysconfig/xencommons" }
const XENDOMAINS = { debian: "/etc/default/xendomains", other: "/etc/sysconfig/xendomains" }

/**
 * xenconsoled(8) reopens its logs on SIGHUP. Its pid file is Debian's; elsewhere the unit is told.
 */
const LOGROTATE = `# Written by pulumi-xen: the consoles of the guests.
/var/log/xen/console/*.log {
    daily
    maxsize 10M
    rotate 5
    compress
    delaycompress
    missingok
    notifempty
    sharedscripts
    postrotate
        systemctl kill --signal=HUP --kill-who=main xenconsoled.service 2>/dev/null || kill -HUP "$(cat /run/xenconsoled.pid)"
    endscript
}
`

/** Debian's packages do not make the folder, and where it is missing xenconsoled logs nothing, without a word. */
const CONSOLE_FOLDER = `# Written by pulumi-xen: xenconsoled logs the guests' consoles here.
d /var/log/xen/console 0700 root root -
`
const CONSOLE_FOLDER_FILE = "/etc/tmpfiles.d/pulumi-xen.conf"
const MAKE_CONSOLE_FOLDER = ["systemd-tmpfiles", "--create", CONSOLE_FOLDER_FILE] as const

/** systemd-system.conf(5): systemd feeds the watchdog while it runs, and leaves it on over a restart. */
const WATCHDOG = `# Written by pulumi-xen: a dom0 that hangs for two minutes is restarted, by Xen.
[Manager]
WatchdogDevice=/dev/watchdog-xen
RuntimeWatchdogSec=120
RebootWatchdogSec=10min
`

/** A machine's own watchdog may come first and be watchdog0, and it does not always restart the machine. */
const WATCHDOG_RULE = `# Written by pulumi-xen: Xen's watchdog for dom0, whichever number it has.
SUBSYSTEM=="watchdog", ATTR{identity}=="xen_wdt", SYMLINK+="watchdog-xen"
`

const WATCHDOG_FILES = {
  "/etc/modules-load.d/pulumi-xen.conf": "# Written by pulumi-xen: Xen's watchdog for dom0.\nxen_wdt\n",
  "/etc/udev/rules.d/60-pulumi-xen.rules": WATCHDOG_RULE,
  "/etc/systemd/system.conf.d/pulumi-xen.conf": WATCHDOG,
}

/** As the next boot does it: the module, its name, and a systemd that has read its settings. */
const START_WATCHDOG = `modprobe xen_wdt && udevadm control --reload &&
udevadm trigger --action=add --subsystem-match=watchdog && udevadm settle && systemctl daemon-reexec`

/** What Xen's services must be told, by path. Files of packages that are not installed are left alone. */
export function serviceFiles(facts: HostFacts, wanted: Dom0Wanted): Record<string, string> {
  const { consoleLog = true, watchdog = true } = wanted
  const layout = facts.files[DAEMON.debian] !== undefined ? "debian" : "other"
  const daemon = facts.files[DAEMON[layout]]
  const domains = facts.files[XENDOMAINS[layout]]
  return {
    ...(daemon !== undefined && consoleLog
      ? {
          [DAEMON[layout]]: setAssignments(
            daemon,
            layout === "debian" ? { XENCONSOLED_ARGS: "--log=guest" } : { XENCONSOLED_TRACE: "guest" },
          ),
          "/etc/logrotate.d/pulumi-xen": LOGROTATE,
          [CONSOLE_FOLDER_FILE]: CONSOLE_FOLDER,
        }
      : {}),
    // A unikernel's saved memory is of no use to its next start, and restoring it loses its network peers.
    ...(domains !== undefined
      ? {
          [XENDOMAINS[layout]]: setAssignments(domains, { XENDOMAINS_SAVE: "", XENDOMAINS_RESTORE: "false" }),
        }
      : {}),
    ...(watchdog ? WATCHDOG_FILES : {}),
  }
}

/** What makes files of the services take effect, where Xen runs; what does not run reads them when it starts. */
export function servicesTakeEffect(facts: HostFacts, files: Originals): Action[] {
  const has = (...paths: readonly string[]) => paths.some(path => path in files)
  const [watch] = Object.keys(WATCHDOG_FILES).flatMap(path => (path in files ? [files[path] !== null] : []))
  return [
    ...(files[CONSOLE_FOLDER_FILE] ? [run(MAKE_CONSOLE_FOLDER)] : []),
    ...(facts.xen && has(DAEMON.debian, DAEMON.other) ? [run(RESTART_CONSOLED)] : []),
    ...(facts.xen && watch === true ? [run(["sh", "-c", START_WATCHDOG])] : []),
    ...(facts.xen && watch === false ? [run(["systemctl", "daemon-reexec"])] : []),
  ]
}

/**
 * Starts xenconsoled anew, so that it logs. Guests keep their consoles: their rings are found again in xenstore.
 * Debian runs it from an init script that cannot restart it alone.
 */
const RESTART_CONSOLED = [
  "sh",
  "-c",
  `if systemctl cat xenconsoled.service >/dev/null 2>&1; then exec systemctl try-restart xenconsoled.service; fi
pid=$(cat /run/xenconsoled.pid 2>/dev/null) && program=$(readlink "/proc/$pid/exe") || exit 0
kill "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
. /etc/default/xen
"$program" $XENCONSOLED_ARGS --pid-file=/run/xenconsoled.pid`,
] as const
