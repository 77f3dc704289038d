import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { areSilent } from "../../provider/ssh/silentConfig.ts"
import { defaultConfig, readSshConfig } from "../../provider/ssh/sshConfig.ts"

const directory = mkdtempSync(join(tmpdir(), "silent-config-"))
test.after.always(() => rmSync(directory, { recursive: true }))

const debian = `
# This is the ssh client system-wide configuration file.
Include ${directory}/conf.d/*.conf

Host *
#   ForwardAgent no
    SendEnv LANG LC_*
    HashKnownHosts yes
    GSSAPIAuthentication = yes
`
const other = write("other", "Host www1\n  Port 2222\n")
const CASES: [what: string, text: string, silent: boolean][] = [
  ["an empty file", "", true],
  ["Debian's file", debian, true],
  ["keywords in any case, with tabs", "HOST *\n\tsendenv\tLANG\n", true],
  ["an Include of such a file", `Include ${write("inner", "HashKnownHosts yes\n")}\n`, true],
  ["a block for one host", "Host www1\n  HashKnownHosts yes\n", false],
  ["a port for all", "Host *\n  Port 2222\n", false],
  ["a Match", "Match all\n", false],
  ["two patterns", "Host * !www1\n", false],
  ["an Include of a file that says something", `Include ${other}\n`, false],
  ["two files in one Include", `Include ${directory}/none ${other}\n`, false],
  ["an Include relative to nobody knows what", "Include config.d/*\n", false],
  ["a keyword of tomorrow", "Teleport yes\n", false],
  ["an Include of a folder, where one file says something", `Include ${directory}/loud.d/*.conf\n`, false],
  ["an Include of a folder, without what ssh would not read", `Include ${directory}/mute.d/*.conf\n`, true],
  ["an Include of a folder that is not there", `Include ${directory}/none.d/*\n`, true],
  ["an Include of several folders", `Include ${directory}/*.d/a.conf\n`, false],
  ["a file that includes itself", `Include ${directory}/itself\n`, false],
]
write("itself", `Include ${directory}/itself\n`)
for (const folder of ["loud.d", "mute.d"]) {
  mkdirSync(join(directory, folder))
  write(`${folder}/a.conf`, "HashKnownHosts yes\n")
  for (const name of ["b.config", ".hidden.conf", "conf"]) write(`${folder}/${name}`, "Port 2222\n")
}
write("loud.d/10-port.conf", "Port 2222\n")

for (const [what, text, silent] of CASES) {
  test(`a configuration that says nothing of any host need not be asked for: ${what}`, t => {
    t.is(areSilent([write(`case ${what}`, text)]), silent)
  })
}

test("a file that is not there says nothing; one that cannot be read is left to ssh", t => {
  t.true(areSilent([join(directory, "nowhere")]))
  t.false(areSilent([directory]))
})

test("where nothing is said, the defaults are what ssh itself answers", async t => {
  const file = write("debian", debian)
  const name = "WWW1.Example.ORG"
  const config = await readSshConfig("root@www1", name, file, {})
  t.deepEqual(config, defaultConfig(name.toLowerCase()))
  const answer = execFileSync("ssh", ["-G", "-F", file, name], { encoding: "utf8" })
  const says = (keyword: string) =>
    answer
      .split("\n")
      .filter(line => line.startsWith(`${keyword} `))
      .map(line => line.slice(keyword.length + 1))
  t.deepEqual(says("hostname"), [config.hostName])
  t.deepEqual(says("port"), [String(config.port)])
  t.deepEqual(says("identitiesonly"), ["no"])
  t.deepEqual(
    [...says("userknownhostsfile"), ...says("globalknownhostsfile")].join(" ").split(" "),
    config.knownHosts,
  )
  const offered = says("identityfile").map(path => path.replace(/.*\//, ""))
  for (const file of config.identityFiles) t.true(offered.includes(file.replace(/.*\//, "")), file)
  for (const keyword of ["proxyjump", "proxycommand", "hostkeyalias", "identityagent"])
    t.deepEqual(says(keyword), [], keyword)
  t.deepEqual(says("stricthostkeychecking"), ["ask"])
})

function write(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
