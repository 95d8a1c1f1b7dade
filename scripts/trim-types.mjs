// After a package is built: declarations end with the name of a source map that the bundler does not write.
// Debuggers and editors would look for it in vain.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

for (const name of readdirSync('dist').filter((file) => /\.d\.c?ts$/.test(file))) {
  const path = join('dist', name)
  const text = readFileSync(path, 'utf8')
  const [comment, map] = /\n\/\/# sourceMappingURL=(\S+)\s*$/.exec(text) ?? []
  if (comment !== undefined && !existsSync(join('dist', map)))
    writeFileSync(path, `${text.slice(0, -comment.length)}\n`)
}
