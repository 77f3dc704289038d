import { parseArgs } from "node:util"
import { attachConsole } from "./lab/console.ts"
import { LabError } from "./lab/errors.ts"
import { type FlavourName, flavours } from "./lab/flavours.ts"
import { bareImage, snapshot } from "./lab/image.ts"
import type { LabRecord } from "./lab/instance.ts"
import { defaultHardware, down, enter, type LabOptions, reset, status, up } from "./lab/labs.ts"
import type { Forward } from "./lab/machine.ts"
import { session } from "./lab/shell.ts"
import { xenImage } from "./lab/xen.ts"

const usage = `A bare rented machine on your own desk.

  npm run lab -- up       start it (made at the first time); running already: says so
  npm run lab -- ssh      a shell on it, or: ssh -- COMMAND…
  npm run lab -- console  its serial line; Ctrl-] leaves
  npm run lab -- status   all labs; --json for programs
  npm run lab -- reset    make it bare again
  npm run lab -- down     shut it down; --remove deletes it
  npm run lab -- prepare  build ahead what the tests' machines start from: every flavour, and a host with Xen

  --name N         which lab; default: lab
  --flavour F      ${Object.keys(flavours).join(" or ")}; default: debian
  --memory MIB     default: 4096
  --cpus N         default: 2 with KVM; 1 where the machine is emulated
  --forward P:A:Q  port P of 127.0.0.1 (0: any free one) leads to port Q of address A on the machine's network;
                   may be repeated; default: 0:10.0.2.20:80, and the same for 10.0.2.21 and 10.0.2.22
  --boot           boot from the disk, even where a snapshot of the booted machine could be restored
`

const commands: Record<string, (options: Options) => Promise<number>> = {
  async up(options) {
    const { record, did } = await up(await parseWish(options))
    const happened = { created: "is up", started: "is up again", nothing: "runs already" }[did]
    console.log(`The lab ${record.name} ${happened}: ${describe(record)}`)
    return 0
  },
  async prepare() {
    const hardware = await defaultHardware()
    for (const flavour of Object.keys(flavours))
      await snapshot(await bareImage(parseFlavour(flavour), hardware))
    await xenImage(hardware)
    console.log("All images of the lab are built.")
    return 0
  },
  async down({ name, remove }) {
    await down(name, { remove })
    console.log(`The lab ${name} is ${remove ? "removed" : "shut down"}.`)
    return 0
  },
  async ssh({ name, command }) {
    return await session((await enter(name)).door, command)
  },
  async console({ name }) {
    const { machine } = await enter(name)
    console.error("Ctrl-] leaves.")
    await attachConsole(machine)
    return 0
  },
  async status({ json }) {
    const labs = await status()
    if (json) console.log(JSON.stringify(labs, null, 2))
    else for (const lab of labs) console.log(`${lab.name}  ${lab.state}  ${describe(lab)}`)
    return 0
  },
  async reset({ name }) {
    const record = await reset(name)
    console.log(`The lab ${name} is bare again: ${describe(record)}`)
    return 0
  },
}

type Options = ReturnType<typeof parse>["options"]

function parse(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      name: { type: "string", default: "lab" },
      flavour: { type: "string" },
      memory: { type: "string" },
      cpus: { type: "string" },
      forward: { type: "string", multiple: true },
      boot: { type: "boolean", default: false },
      remove: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  })
  const [verb = "", ...command] = positionals
  return { verb, options: { ...values, name: parseName(values.name), command } }
}

const describe = ({ flavour, port, hardware: { memory, accelerator } }: LabRecord) =>
  `${flavour}, ${memory} MiB, ${accelerator.kind}, ssh on port ${port} of 127.0.0.1`

const bad = (what: string, value: string, form: string) =>
  new LabError(`understand ${what}`, `it was ${JSON.stringify(value)}`, form)

async function parseWish({ name, boot, flavour, memory, cpus, forward }: Options): Promise<LabOptions> {
  const wish: LabOptions = {
    name,
    boot,
    flavour: flavour === undefined ? undefined : parseFlavour(flavour),
    forwards: forward?.map(parseForward),
  }
  if (memory === undefined && cpus === undefined) return wish
  const size = {
    ...(memory === undefined ? {} : { memory: parseCount("--memory", memory) }),
    ...(cpus === undefined ? {} : { cpus: parseCount("--cpus", cpus) }),
  }
  return { ...wish, hardware: { ...(await defaultHardware()), ...size } }
}

function parseName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) return name
  throw bad("--name", name, "A name is made of 1 to 32 small letters, digits and hyphens")
}

function parseFlavour(name: string): FlavourName {
  if (Object.hasOwn(flavours, name)) return name as FlavourName
  throw bad("--flavour", name, `The flavours are ${Object.keys(flavours).join(" and ")}`)
}

function parseCount(what: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw bad(what, text, "It is a whole number above zero")
}

function parseForward(text: string): Forward {
  const [, port, address, to] = /^(\d{1,5}):(10\.0\.2\.\d{1,3}):(\d{1,5})$/.exec(text) ?? []
  const inRange = Number(port) <= 65535 && Number(to) >= 1 && Number(to) <= 65535
  if (address && inRange) return { port: Number(port), address, to: Number(to) }
  throw bad(
    "--forward",
    text,
    "It is PORT:ADDRESS:PORT with an address of 10.0.2.0/24, for example 8080:10.0.2.20:80",
  )
}

async function main(args: string[]): Promise<number> {
  const { verb, options } = parse(args)
  const command = Object.hasOwn(commands, verb) ? commands[verb] : undefined
  if (command && !options.help) return await command(options)
  console.log(usage)
  return options.help ? 0 : 2
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof LabError) && !(error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS"))
    throw error
  console.error(`lab: ${(error as Error).message}`)
  process.exitCode = 1
}
