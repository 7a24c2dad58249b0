// Removes the prompts of an interactive Python (>>>, In [1]:) and the results that stand between them: the code
// runs again, and they would be taken for code.

const PROMPTS = [
  { first: /^\s*>>> /, line: /^\s*(?:>>>|\.\.\.)(?: |$)/ },
  { first: /^\s*In \[\d*\]: /, line: /^\s*(?:In \[\d*\]:|\.\.\.+:)(?: |$)/ },
] as const

export function withoutPrompts(code: string): string {
  const prompt = PROMPTS.find(({ first }) => first.test(code))
  if (prompt === undefined) return code
  const lines = code.split('\n').filter((line) => prompt.line.test(line))
  return lines.map((line) => line.replace(prompt.line, '')).join('\n')
}
