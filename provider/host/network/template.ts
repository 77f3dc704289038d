import { readFileSync } from "node:fs"
import Handlebars from "handlebars"

/**
 * A template of this folder. The files are no HTML: nothing is escaped. A name that the template uses and the
 * data does not have is an error and not an empty line.
 */
export function template<Data extends object>(name: string): (data: Data) => string {
  const text = readFileSync(new URL(`templates/${name}.hbs`, import.meta.url), "utf8")
  return Handlebars.compile(text, { noEscape: true, knownHelpersOnly: true })
}
