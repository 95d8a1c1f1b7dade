export { createServer } from './create-server.js'
export type { CloseOptions, ListenOptions, SerotineServer } from './create-server.js'
export type { Address } from './http/listen.js'
export type { LogEntry, ReadFile, SentFile, ServedIndex, ServedModel, ServerLimits, ServerOptions } from './options.js'
