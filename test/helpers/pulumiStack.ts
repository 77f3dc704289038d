import { spawn } from "node:child_process"
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { fileBackend } from "../../scripts/stack/pulumi.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Outcome {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** A stack of its own with a file backend, driven by the real `pulumi`. */
export class PulumiStack {
  readonly directory: string
  readonly project: string
  readonly environment: NodeJS.ProcessEnv
  readonly #name = "test"
  readonly #projectName: string
  readonly #config: { [key: string]: unknown } = {}
  /** The salt that `stack init` wrote: what is encrypted with it must find it again. */
  #encryption: { encryptionsalt?: string } = {}

  private constructor(directory: string, project: string) {
    this.directory = directory
    this.project = project
    this.#projectName = basename(project)
    this.environment = {
      ...process.env,
      PULUMI_BACKEND_URL: fileBackend(join(directory, "state")),
      PULUMI_CONFIG_PASSPHRASE: "a passphrase of the tests",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "1",
      NO_COLOR: "1",
      // The language host runs the first `node` of PATH; npm puts the project's own there, a test runner may not.
      PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}`,
      XDG_CACHE_HOME: join(directory, "cache"),
    }
  }

  /** `project` is a folder of test/fixtures; it is copied, with links to what it imports. */
  static async create(project: string): Promise<PulumiStack> {
    const directory = await mkdtemp(join(tmpdir(), "stack-"))
    await mkdir(join(directory, "state"))
    // The program finds the SDK and the provider at the same distance as in the repository.
    const copy = join(directory, "repository/test/fixtures", project)
    await cp(join(root, "test/fixtures", project), copy, { recursive: true })
    for (const name of ["components", "sdk", "provider", "node_modules", "package.json"]) {
      await symlink(join(root, name), join(directory, "repository", name))
    }
    const stack = new PulumiStack(directory, copy)
    await stack.succeed(["stack", "init", stack.#name])
    const settings = await readFile(join(copy, `Pulumi.${stack.#name}.yaml`), "utf8")
    stack.#encryption = { encryptionsalt: /encryptionsalt: (.*)/.exec(settings)![1]! }
    return stack
  }

  /** Sets values of the stack's configuration; objects as they are. */
  async configure(values: { [key: string]: unknown }): Promise<void> {
    for (const [key, value] of Object.entries(values)) {
      this.#config[key.includes(":") ? key : `${this.#projectName}:${key}`] = value
    }
    // JSON is YAML; a process of pulumi for each value would cost a second of every test.
    const file = join(this.project, `Pulumi.${this.#name}.yaml`)
    await writeFile(file, JSON.stringify({ ...this.#encryption, config: this.#config }, null, 2))
  }

  async secret(key: string, value: string): Promise<void> {
    await this.succeed(["config", "set", "--secret", key], value)
    const file = await readFile(join(this.project, `Pulumi.${this.#name}.yaml`), "utf8")
    // Pulumi keeps the file's style, which after `configure` is JSON's.
    const find = (name: string): string => new RegExp(`"?${name}"?: "?([^"\\n]+)"?`).exec(file)![1]!
    this.#encryption = { encryptionsalt: find("encryptionsalt") }
    this.#config[`${this.#projectName}:${key}`] = { secure: find("secure") }
  }

  async succeed(args: readonly string[], stdin = ""): Promise<Outcome> {
    const outcome = await this.run(args, { stdin })
    if (outcome.exit !== 0)
      throw new Error(`pulumi ${args.join(" ")} failed:\n${outcome.stdout}\n${outcome.stderr}`)
    return outcome
  }

  async run(args: readonly string[], { stdin = "", env = {} as NodeJS.ProcessEnv } = {}): Promise<Outcome> {
    const child = this.start(args, env)
    child.stdin.end(stdin)
    const [stdout, stderr] = ["", ""].map(() => [] as string[]) as [string[], string[]]
    child.stdout.on("data", chunk => stdout.push(String(chunk)))
    child.stderr.on("data", chunk => stderr.push(String(chunk)))
    const exit = await new Promise<number>(done => child.once("close", code => done(code ?? -1)))
    return { exit, stdout: stdout.join(""), stderr: stderr.join("") }
  }

  /** For what kills it midway. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const program = join(root, "node_modules/.bin/pulumi")
    return spawn(program, ["--non-interactive", ...args], {
      cwd: this.project,
      env: { ...this.environment, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    })
  }

  /** The state as it lies in the backend's file. */
  async stateText(): Promise<string> {
    return readFile(
      join(this.directory, "state/.pulumi/stacks", this.#projectName, `${this.#name}.json`),
      "utf8",
    )
  }

  async resources(): Promise<
    { type: string; id?: string; urn: string; inputs?: object; outputs?: object }[]
  > {
    const { stdout } = await this.succeed(["stack", "export"])
    return JSON.parse(stdout).deployment.resources ?? []
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }

  /** Text that a program under test can be given as a file of the project. */
  async write(name: string, text: string | Buffer): Promise<string> {
    const path = join(this.project, name)
    await writeFile(path, text)
    return path
  }
}
