import { createRequire } from "node:module"
import type HandlebarsNamespace from "handlebars"
import { checkNames, renderSkeleton, SkeletonError, skeletonVariables } from "../src/index.ts"
import type { Literal } from "../src/syntax/tree.ts"

// handlebars is CommonJS: required, it loads in half the time of an import.
const Handlebars = createRequire(import.meta.url)("handlebars") as typeof HandlebarsNamespace

/** The data of a template: what xl can hold, and objects and lists of it for blocks. */
export type TemplateValue = Literal | { readonly [name: string]: TemplateValue } | readonly TemplateValue[]
export type TemplateValues = Readonly<Record<string, TemplateValue>>

/** The helper that every output of a template goes through; no template can name it. */
const OUTPUT = "xlcfg output"

/**
 * Fills a `.xl.hbs` skeleton with Handlebars in strict mode. Outputs are not inserted as text: the template is
 * run with variables in their place, and those are filled like the ones of a `.xl.in`, each quoted as its place
 * in the grammar needs. So no value can end the string it stands in.
 *
 * Throws {@link SkeletonError} for a missing variable, an unused value, raw output (`{{{x}}}`), a partial, or a
 * template that Handlebars cannot parse.
 */
export function renderTemplate(template: string, values: TemplateValues): string {
  const program = parseTemplate(template)
  checkNames(variablesOf(program), Object.keys(values))
  const outputs: Record<string, Literal> = {}
  const engine = Handlebars.create()
  engine.registerHelper(OUTPUT, (value: Literal | undefined, source: string) => {
    if (value === undefined || value === null)
      throw new SkeletonError(`there is no value for {{${source}}}`, [source])
    const name = `HBS${Object.keys(outputs).length}`
    outputs[name] = value
    return new engine.SafeString(`@${name}@`)
  })
  new OutputWrapper().accept(program)
  const text = guard(() =>
    engine.compile(program, { strict: true, knownHelpers: { [OUTPUT]: true } })(values),
  )
  const reserved = /@HBS[0-9]+@/.exec(template)
  if (reserved) throw new SkeletonError(`${reserved[0]} is a name that a template cannot use`, [reserved[0]])
  // An output in a comment is no slot of the skeleton: it stays readable there, in one line.
  return renderCommentOutputs(text, outputs)
}

/** The names at the top of a template's data, each once, in the order of the text. */
export function templateVariables(template: string): string[] {
  return variablesOf(parseTemplate(template))
}

function guard<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof SkeletonError) throw error
    throw new SkeletonError(`the template cannot be filled: ${(error as Error).message}`, [])
  }
}

function parseTemplate(template: string): hbs.AST.Program {
  const program = guard(() => Handlebars.parse(template))
  new Refuser().accept(program)
  return program
}

function variablesOf(program: hbs.AST.Program): string[] {
  const collector = new Collector()
  collector.accept(program)
  return [...collector.names]
}

/** Throws for what would write a text as it is. */
class Refuser extends Handlebars.Visitor {
  override MustacheStatement(mustache: hbs.AST.MustacheStatement): void {
    if (mustache.escaped === false) refuse(mustache, "raw output could break out of its string")
    super.MustacheStatement(mustache)
  }
  override PartialStatement(partial: hbs.AST.PartialStatement): void {
    refuse(partial, "there are no partials here")
  }
  override PartialBlockStatement(partial: hbs.AST.PartialBlockStatement): void {
    refuse(partial, "there are no partials here")
  }
}

function refuse({ loc }: hbs.AST.Node, reason: string): never {
  throw new SkeletonError(
    `line ${loc.start.line}, column ${loc.start.column + 1} of the template: ${reason}`,
    [],
  )
}

/** Collects the first names of paths that start at the top of the data. */
class Collector extends Handlebars.Visitor {
  readonly names = new Set<string>()
  #depth = 0
  readonly #helpers = new Set(["if", "unless", "each", "with", "lookup", "log", "else"])

  override BlockStatement(block: hbs.AST.BlockStatement): void {
    const { original } = block.path as hbs.AST.PathExpression
    for (const param of block.params) this.accept(param)
    if (!this.#helpers.has(original)) this.accept(block.path)
    // #each and #with, and blocks named by a value, step into what they are given; #if and #unless do not.
    const steps = !["if", "unless"].includes(original)
    if (steps) this.#depth++
    this.accept(block.program)
    if (steps) this.#depth--
    if (block.inverse) this.accept(block.inverse)
  }

  override PathExpression(path: hbs.AST.PathExpression): void {
    const [first] = path.parts
    if (path.data ? first === "root" : path.depth === this.#depth) {
      const name = path.data ? path.parts[1] : first
      if (name !== undefined && !(this.#helpers.has(name) && path.parts.length === 1)) this.names.add(name)
    }
  }
}

/** Sends every output through the helper. */
class OutputWrapper extends Handlebars.Visitor {
  override MustacheStatement(mustache: hbs.AST.MustacheStatement): void {
    const { path, params, hash, loc } = mustache
    const source = (path as hbs.AST.PathExpression).original
    const hasArguments = params.length > 0 || (hash?.pairs.length ?? 0) > 0
    const value = hasArguments
      ? ({ type: "SubExpression", path, params, hash, loc } as hbs.AST.SubExpression)
      : path
    mustache.path = {
      type: "PathExpression",
      data: false,
      depth: 0,
      parts: [OUTPUT],
      original: OUTPUT,
      loc,
    } as hbs.AST.PathExpression
    mustache.params = [
      value as hbs.AST.Expression,
      {
        type: "StringLiteral",
        value: String(source),
        original: String(source),
        loc,
      } as hbs.AST.StringLiteral,
    ]
    mustache.hash = undefined as unknown as hbs.AST.Hash
  }
}

function renderCommentOutputs(text: string, outputs: Readonly<Record<string, Literal>>): string {
  const clean = text.replace(/#[^\n]*|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'/g, token =>
    token.startsWith("#")
      ? token.replace(/@(HBS[0-9]+)@/g, (_, name: string) => String(outputs[name]).replace(/[\n\0]/g, " "))
      : token,
  )
  const used = skeletonVariables(clean)
  return renderSkeleton(
    clean,
    Object.fromEntries(Object.entries(outputs).filter(([name]) => used.includes(name))),
  )
}
