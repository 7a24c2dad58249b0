// Corrects what writers of JSON get wrong without being ambiguous: numbers that JSON does not have (Python's
// json.dumps writes them), Python's constants, a comma behind the last entry, and control characters within
// strings. Only for text that is not JSON as it is.

/** A string, closed or not, so that no part of one is searched again; or such a number, constant or comma. */
const SLIPS =
  /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b|\b(?:None|True|False)\b|,(?=[ \t\r\n]*[}\]])/g
const CONSTANTS: Readonly<Record<string, string>> = { None: 'null', True: 'true', False: 'false', ',': '' }
const CONTROL = /[\u0000-\u001f]/g

/** `number`: what stands for a number that JSON does not have. */
export const withoutSlips = (json: string, number: (found: string) => string): string =>
  json.replaceAll(SLIPS, (found) =>
    found.startsWith('"')
      ? found.replaceAll(CONTROL, (char) => JSON.stringify(char).slice(1, -1))
      : (CONSTANTS[found] ?? number(found)),
  )
