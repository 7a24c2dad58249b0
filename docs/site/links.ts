// Links in Markdown, apart from code: in a fence or in backticks nothing is a link.

/**
 * The text with each relative link replaced by what `map` gives for it; null leaves the words without a link.
 * Comments go: the site's renderer would show them.
 */
export function mapLinks(markdown: string, map: (link: string) => string | null): string {
  let fence: string | null = null
  return markdown
    .replaceAll(/<!--[\s\S]*?-->\n?/g, '')
    .split('\n')
    .map((line) => {
      const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1] ?? null
      if (fence !== null) {
        if (mark?.startsWith(fence)) fence = null
        return line
      }
      if (mark !== null) fence = mark
      return mark === null ? linksOfLine(line, map) : line
    })
    .join('\n')
}

const codeOrLink = /(`+)(?:(?!\1)[\s\S])+\1|(!?)\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s]+)\)/g
const isAbsolute = (link: string): boolean => /^([a-z]+:|\/\/)/i.test(link)

function linksOfLine(line: string, map: (link: string) => string | null): string {
  return line.replace(
    codeOrLink,
    (whole: string, code: string | undefined, image = '', words = '', link = '') => {
      if (code !== undefined || isAbsolute(link)) return whole
      const target = map(link)
      return target === null ? words : `${image}[${words}](${target})`
    },
  )
}

/** The anchor of a heading, as GitHub makes it, so that a link holds in both places. */
export function slug(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-')
}
