import { copyFile, cp, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "./run.ts"
import { baseSpec, xenSpec } from "./specs.ts"

/**
 * Makes the RPM repositories of a machine of flavour `rpm` in `directory`, from Debian packages in `debs`:
 *
 * - `signed`: Xen's packages and the metadata, signed with the key in `RPM-GPG-KEY-lab`
 * - `unsigned`: the same packages and metadata without any signature
 * - `altered`: the signed packages, with one byte of the hypervisor's payload changed after signing
 * - `base/lab-release.rpm`: what a bare machine has in its RPM database
 */
export async function buildRepositories(debs: string, directory: string, work: string): Promise<void> {
  const payload = join(work, "payload")
  await unpack(debs, payload)
  const rpms = await buildRpms(payload, work)
  await mkdir(join(directory, "base"), { recursive: true })
  await rename(join(rpms, "lab-release.rpm"), join(directory, "base", "lab-release.rpm"))
  const [signed, unsigned, altered] = ["signed", "unsigned", "altered"].map(name =>
    join(directory, name),
  ) as [string, string, string]
  await cp(rpms, unsigned, { recursive: true })
  await cp(rpms, signed, { recursive: true })
  await withSigningKey(async sign => {
    await sign.exportKey(join(directory, "RPM-GPG-KEY-lab"))
    await sign.packages(signed)
    await cp(signed, altered, { recursive: true })
    await alter(join(altered, "xen-hypervisor.rpm"))
    for (const repository of [signed, unsigned, altered]) {
      await run("index the RPM repository", ["createrepo_c", "--quiet", repository])
    }
    await sign.file(join(signed, "repodata", "repomd.xml"))
    await copyFile(join(directory, "RPM-GPG-KEY-lab"), join(signed, "repodata", "repomd.xml.key"))
  })
  await rm(payload, { recursive: true })
  await rm(rpms, { recursive: true })
}

/** Unpacks the packages into one tree, laid out as on an EL machine: usr merged, Xen's own units and sysconfig. */
async function unpack(debs: string, payload: string): Promise<void> {
  await mkdir(payload)
  for (const name of (await readdir(debs)).filter(name => name.endsWith(".deb"))) {
    await run(`unpack ${name}`, ["dpkg-deb", "--extract", join(debs, name), payload])
  }
  await run(
    "lay the payload out",
    ["sh", "-euc", layOut, "sh", join(import.meta.dirname, "repository", "runtime")],
    {
      cwd: payload,
    },
  )
}

const layOut = `
for directory in bin sbin lib; do
  [ ! -d $directory ] || { mkdir -p usr/$directory; cp -a $directory/. usr/$directory; rm -r $directory; }
done
mkdir -p usr/libexec/xen/bin var/log/xen/console
sed 's,/etc/default/xendomains,/etc/sysconfig/xendomains,' etc/init.d/xendomains > usr/libexec/xen/bin/xendomains
chmod 755 usr/libexec/xen/bin/xendomains
cp -r "$1"/. .
mv etc/default/xendomains etc/sysconfig/xendomains
# Where the entry for UEFI lies elsewhere and Xen does not become the default by being installed.
rm -r boot/*.efi etc/default/grub.d
rm -r etc/init.d etc/default/xen usr/share/doc usr/share/bug usr/share/lintian usr/share/man 2> /dev/null || :
`

async function buildRpms(payload: string, work: string): Promise<string> {
  const rpms = join(work, "rpms")
  const topdir = join(work, "rpmbuild")
  const files = join(work, "files")
  await mkdir(files)
  const parts = await listFiles(payload)
  for (const [name, paths] of Object.entries(parts)) await writeFile(join(files, name), paths.join("\n"))
  for (const [name, text] of Object.entries({ xen: xenSpec({ payload, files }), "lab-release": baseSpec })) {
    const spec = join(work, `${name}.spec`)
    await writeFile(spec, text)
    const definitions = Object.entries({
      _topdir: topdir,
      _dbpath: join(topdir, "db"),
      _rpmdir: rpms,
      _build_name_fmt: "%%{NAME}.rpm",
      _binary_payload: "w1.gzdio",
    }).flatMap(([key, value]) => ["--define", `${key} ${value}`])
    await run(`build the RPM ${name}`, ["rpmbuild", "-bb", "--quiet", ...definitions, spec])
    await rm(spec)
  }
  await rm(topdir, { recursive: true })
  await rm(files, { recursive: true })
  return rpms
}

/** Which RPM each file belongs to. Directories are listed where nothing else would make them. */
async function listFiles(
  payload: string,
): Promise<{ hypervisor: string[]; runtime: string[]; libs: string[] }> {
  const found = await run(
    "list the payload",
    ["find", ".", "(", "!", "-type", "d", "-o", "-empty", ")", "-printf", "%y %P\\n"],
    {
      cwd: payload,
    },
  )
  const parts = { hypervisor: [] as string[], runtime: [] as string[], libs: [] as string[] }
  for (const line of found.trim().split("\n").sort()) {
    const [type, path] = [line[0], `/${line.slice(2)}`]
    const part = path.startsWith("/boot/")
      ? "hypervisor"
      : /\/lib\/x86_64-linux-gnu\//.test(path)
        ? "libs"
        : "runtime"
    const mark = type === "d" ? "%dir " : path.startsWith("/etc/") ? "%config(noreplace) " : ""
    parts[part].push(`${mark}"${path}"`)
  }
  return parts
}

/** A byte in the middle of the payload: the header and its signature stay as they were. */
async function alter(rpm: string): Promise<void> {
  await using file = await open(rpm, "r+")
  const { size } = await file.stat()
  const position = size - Math.floor(size / 4)
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, position)
  await file.write(Buffer.from([byte[0]! ^ 0xff]), 0, 1, position)
}

type Signer = {
  exportKey(file: string): Promise<void>
  packages(directory: string): Promise<void>
  file(file: string): Promise<void>
}

/** Makes a key for this one use: the repositories are finished with it, and its private half is thrown away. */
async function withSigningKey(work: (sign: Signer) => Promise<void>): Promise<void> {
  // The agent's socket lies in there, and a socket's path is short.
  const home = await mkdtemp(join(tmpdir(), "lab-gpg-"))
  const gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--yes"]
  const name = "Lab packages"
  try {
    await run("make the signing key", [
      ...gpg,
      "--passphrase",
      "",
      "--quick-generate-key",
      name,
      "rsa3072",
      "sign",
      "never",
    ])
    await work({
      async exportKey(file) {
        await run("export the signing key", [...gpg, "--armor", "--output", file, "--export", name])
      },
      async packages(directory) {
        const rpms = (await readdir(directory)).map(file => join(directory, file))
        const macros = [`_gpg_name ${name}`, `_gpg_path ${home}`, "__gpg /usr/bin/gpg"]
        const definitions = macros.flatMap(macro => ["--define", macro])
        await run("sign the RPMs", ["rpmsign", ...definitions, "--addsign", ...rpms])
      },
      async file(file) {
        await run("sign the repository", [...gpg, "--armor", "--detach-sign", "--local-user", name, file])
      },
    })
  } finally {
    await run("stop the key's agent", ["gpgconf", "--homedir", home, "--kill", "gpg-agent"])
    await rm(home, { recursive: true, force: true })
  }
}
