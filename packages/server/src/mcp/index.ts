export { createMcpServer, serveMcpOverStdio } from './create-mcp-server.js'
export type { McpServerOptions, StdioServer } from './create-mcp-server.js'
export type { FolderIndexing, IndexedFolder } from './tool.js'
export type { LogEntry, ServedIndex, ServedModel, ServerLimits } from '../options.js'
