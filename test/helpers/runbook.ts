/** The blocks of code of a document in Markdown, as a person pastes them. */
export function codeOf(markdown: string): string[] {
  return [...markdown.matchAll(/^(`{3,})sh\n(.*?)\n\1$/gms)].map(([, , code]) => `${code}\n`)
}
