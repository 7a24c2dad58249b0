// Preloaded in the process of each test file: past its limit the file ends itself and has failed, so that a wait without end
// in one file takes no other file's time.
export const FILE_LIMIT = 'TEST_FILE_LIMIT_S'

const limitS = Number(process.env[FILE_LIMIT])
// `node --test` itself loads this too, and the runner its name.
if (process.env['NODE_TEST_CONTEXT'] !== undefined && limitS > 0) setTimeout(end, limitS * 1000).unref()

function end(): void {
  const open = process.getActiveResourcesInfo().join(', ')
  console.error(`${process.argv[1] ?? 'this file'} did not end within ${limitS} s; open: ${open}`)
  process.exit(1)
}
