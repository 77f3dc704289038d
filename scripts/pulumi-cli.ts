/**
 * Puts the Pulumi CLI where `npx pulumi` looks for it. Where Pulumi's download site is reached, the npm wrapper does
 * that by itself at its first run. Where it is not, the CLI and its language host for Node are built from the Go
 * module proxy, once, with the same version.
 */
import { access, constants, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { $ } from "zx"
import { type Report, step } from "./lab/progress.ts"
import { placeLanguageHost, renewLanguageHost } from "./languageHost.ts"

/** The CLI cannot be had here; the message says what was tried and what to do. */
export class NoPulumiError extends Error {
  override name = "NoPulumiError"
}

interface Build {
  readonly program: string
  readonly module: string
  readonly version: string
  readonly package: string
  readonly ldflags: string
  readonly takes: string
  /** Puts what was built where it is run. Default: under the program's name. */
  readonly place?: (built: string, bin: string) => Promise<void>
}

/**
 * Makes sure that `npx pulumi` works with no download. Returns the folder with the programs.
 * Throws `NoPulumiError` where neither Pulumi's site nor Go is there.
 */
export async function ensurePulumi(): Promise<string> {
  const version = await wrapperVersion()
  const bin = join(process.env.PULUMI_HOME || join(homedir(), ".pulumi"), "versions", version, "bin")
  const builds = buildsFor(version)
  await renewLanguageHost(bin)
  if (await missing(bin, builds)) {
    const refusal = await step(`Pulumi CLI ${version}: download`, () => downloadByWrapper())
    if (await missing(bin, builds)) await buildWithGo(bin, version, builds, refusal)
  }
  return bin
}

async function wrapperVersion(): Promise<string> {
  const manifest = fileURLToPath(new URL("../node_modules/pulumi/package.json", import.meta.url))
  return JSON.parse(await readFile(manifest, "utf8")).version
}

function buildsFor(version: string): readonly Build[] {
  const root = "github.com/pulumi/pulumi"
  return [
    {
      program: "pulumi",
      module: `${root}/pkg/v3`,
      version: `v${version}`,
      package: `${root}/pkg/v3/cmd/pulumi`,
      ldflags: `-s -w -X ${root}/sdk/v3/go/common/version.Version=${version}`,
      takes: "about 5 minutes on two cores",
    },
    {
      // The last version of the SDK module that holds the language host; it serves every CLI 3.x.
      program: "pulumi-language-nodejs",
      module: `${root}/sdk/v3`,
      version: "v3.68.0",
      package: `${root}/sdk/v3/nodejs/cmd/pulumi-language-nodejs`,
      ldflags: "-s -w",
      takes: "about 30 seconds",
      place: placeLanguageHost,
    },
  ]
}

async function missing(bin: string, builds: readonly Build[]): Promise<boolean> {
  const found = await Promise.all(builds.map(({ program }) => isExecutable(join(bin, program))))
  return found.includes(false)
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

/** Returns why it did not work, if it did not. */
async function downloadByWrapper(): Promise<string> {
  const { exitCode, stderr } = await $({ nothrow: true, quiet: true, timeout: "3m" })`npx pulumi version`
  return exitCode === 0 ? "" : (stderr.trim().split("\n").at(-1) ?? "it failed")
}

async function buildWithGo(
  bin: string,
  version: string,
  builds: readonly Build[],
  refusal: string,
): Promise<void> {
  if ((await $({ nothrow: true, quiet: true })`go version`).exitCode !== 0) {
    throw new NoPulumiError(
      `Pulumi CLI ${version} is not in ${bin}, Pulumi's site does not give it (${refusal}), and there is no Go to build ` +
        "it with. Install Go 1.24 or later, or put the programs of Pulumi's release there, and run this again.",
    )
  }
  const workspace = await mkdtemp(join(tmpdir(), "pulumi-build-"))
  try {
    await mkdir(bin, { recursive: true })
    for (const build of builds) {
      if (await isExecutable(join(bin, build.program))) continue
      console.error(
        `Building ${build.program} ${version} with Go (${build.takes}, once), as its site is not reached.`,
      )
      await step(`${build.program}: build`, report =>
        buildOne(build, join(workspace, build.program), bin, report),
      )
    }
  } finally {
    // Go's module cache is read-only files, but nothing of it is in the workspace.
    await rm(workspace, { recursive: true, force: true })
  }
}

/** An empty module of which Pulumi is an ordinary dependency: so the proxy's checksums are verified. */
async function buildOne(build: Build, folder: string, bin: string, report: Report): Promise<void> {
  await mkdir(folder)
  await writeFile(join(folder, "go.mod"), "module build\n\ngo 1.24\n")
  const go = $({ cwd: folder, quiet: true, nothrow: true })
  report("fetching modules")
  const fetched = await go`go get ${`${build.package}@${build.version}`}`
  report("compiling")
  const aside = join(bin, `.${build.program}.new`)
  const built =
    fetched.exitCode === 0
      ? await go`go build -ldflags ${build.ldflags} -o ${aside} ${build.package}`
      : fetched
  if (built.exitCode !== 0) {
    const last = built.stderr.trim().split("\n").slice(-3).join("\n")
    throw new NoPulumiError(
      `${build.program} cannot be built with Go; the Go module proxy must be reached.\n${last}`,
    )
  }
  await (build.place?.(aside, bin) ?? rename(aside, join(bin, build.program)))
}

if (import.meta.main) {
  try {
    console.log(await ensurePulumi())
  } catch (error) {
    if (!(error instanceof NoPulumiError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
