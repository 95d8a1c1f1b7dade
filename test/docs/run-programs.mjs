// Runs `program.mjs` of each folder given, in that folder, and sends what it logged. No socket opens to another machine.
import { Socket } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'

const connect = Socket.prototype.connect
Socket.prototype.connect = function (...args) {
  const [options] = Array.isArray(args[0]) ? args[0] : args
  const host = options?.host ?? 'localhost'
  if (options?.path === undefined && !['localhost', '127.0.0.1', '::1'].includes(host)) {
    throw new Error(`A program in the documentation wants to reach ${host}.`)
  }
  return connect.apply(this, args)
}

const rooms = process.argv.slice(2)
for (const [index, room] of rooms.entries()) {
  let output = ''
  console.log = (...values) => {
    output += `${format(...values)}\n`
  }
  let error
  try {
    process.chdir(room)
    await import(pathToFileURL(join(room, 'program.mjs')).href)
  } catch (cause) {
    error = cause?.stack ?? String(cause)
  }
  await new Promise((sent) => process.send({ index, output, error }, sent))
}
// Models and indexes that a fragment leaves open must not keep the process alive.
process.exit(0)
