// What child.mts uses of WebAssembly: Node's types leave it to the DOM library.
declare global {
  namespace WebAssembly {
    type Imports = Record<string, Record<string, unknown>>
    class Module {
      constructor(bytes: Uint8Array)
    }
    class Instance {
      constructor(module: Module, imports?: Imports)
      readonly exports: Record<string, unknown>
    }
    class Memory {
      readonly buffer: ArrayBuffer
    }
  }
}

export {}
