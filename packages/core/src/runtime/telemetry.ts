import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/** ONNX Runtime 1.30 writes a device id and events to the user's cache and uploads them unless this is set. */
export const TELEMETRY_SWITCH = 'ORT_DISABLE_TELEMETRY'

/**
 * Sets the switch where the native library looks for it, before it is loaded. Verified with strace in Node, Deno and Bun.
 *
 * @returns false where that is out of reach
 */
export function switchTelemetryOff(): boolean {
  // Even where it is set: Bun's process.env may have been written to by the program, which native code does not see.
  if (process.versions['bun'] !== undefined) {
    if (!setenvFromBun() && !process.env[TELEMETRY_SWITCH]) return false
  } else if (process.env[TELEMETRY_SWITCH]) {
    return true
  } else if (!isMainThread) {
    // A worker thread has a copy of the environment, native code sees the original.
    return false
  }
  process.env[TELEMETRY_SWITCH] ||= '1'
  return true
}

interface BunFfi {
  dlopen(library: string, functions: object): { symbols: { setenv(name: Buffer, value: Buffer, overwrite: 0): number } }
}

const C_LIBRARIES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`],
  darwin: ['libSystem.B.dylib'],
}

/** Bun keeps its own copy of the environment, in every thread; what native code sees only the C library can set. */
function setenvFromBun(): boolean {
  for (const library of C_LIBRARIES[process.platform] ?? []) {
    try {
      const { dlopen } = createRequire(`${process.cwd()}/`)('bun:ffi') as BunFfi
      const { setenv } = dlopen(library, { setenv: { args: ['cstring', 'cstring', 'int'], returns: 'int' } }).symbols
      return setenv(Buffer.from(`${TELEMETRY_SWITCH}\0`), Buffer.from('1\0'), 0) === 0
    } catch {
      // Not the C library of this system: on to the next, or without it.
    }
  }
  return false
}
