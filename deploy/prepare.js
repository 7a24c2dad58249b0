// npm runs this after `npm install` in a clone: the command starts in half of the time. Without it nothing is lost, so
// an installation without the development packages, or by a Node that strips no types, goes on.
try {
  const { bundleClone } = await import('./bundle.ts')
  await bundleClone()
} catch (error) {
  console.error(`flotilla: the command is not bundled, and starts more slowly: ${error.message}`)
}
