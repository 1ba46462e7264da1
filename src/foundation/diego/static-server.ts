// Serves the files of a static site. Staging copies it into the droplet as `.static/server.mts`, beside `settings.json`
// ({root, pushstate}), so it imports nothing but Node's own modules. Files and folders whose names begin with a dot stay hidden.
import { createReadStream, readFileSync, realpathSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'

const { root: folder, pushstate } = JSON.parse(readFileSync(join(import.meta.dirname, 'settings.json'), 'utf8')) as {
  root: string
  pushstate: boolean
}
const root = realpathSync(join(import.meta.dirname, '..', folder))

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp4': 'video/mp4',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
}

interface Found {
  path: string
  size: number
  modified: Date
}

/** The file that a path names, or the index of its folder; undefined if there is none, or it is hidden, or lies outside. */
async function find(path: string): Promise<Found | undefined> {
  if (path.split('/').some((part) => part.startsWith('.')) || path.includes('\0')) return undefined
  try {
    const real = await realpath(join(root, path))
    if (real !== root && !real.startsWith(root + sep)) return undefined
    const facts = await stat(real)
    if (facts.isDirectory()) return path.endsWith('/') ? await find(`${path}index.html`) : undefined
    return facts.isFile() ? { path: real, size: facts.size, modified: facts.mtime } : undefined
  } catch {
    return undefined
  }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405, { Allow: 'GET, HEAD' }).end()
  let path: string
  try {
    path = decodeURIComponent(request.url!.split('?', 1)[0]!)
  } catch {
    return void response.writeHead(400).end()
  }
  const found = await find(path)
  if (!found && !path.endsWith('/') && (await find(`${path}/`)))
    return void response.writeHead(301, { Location: `${request.url!.split('?', 1)[0]}/` }).end()
  if (found) return send(request, response, 200, found)
  const instead = await find(pushstate ? '/index.html' : '/404.html')
  if (instead) return send(request, response, pushstate ? 200 : 404, instead)
  response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('404 Not Found\n')
}

async function send(request: IncomingMessage, response: ServerResponse, status: number, { path, size, modified }: Found): Promise<void> {
  const since = Date.parse(request.headers['if-modified-since'] ?? '')
  const headers = {
    'Last-Modified': modified.toUTCString(),
    'Content-Type': types[extname(path).toLowerCase()] ?? 'application/octet-stream',
  }
  if (status === 200 && since >= Math.floor(modified.getTime() / 1000) * 1000) return void response.writeHead(304, headers).end()
  response.writeHead(status, { ...headers, 'Content-Length': size })
  if (request.method === 'HEAD') return void response.end()
  await pipeline(createReadStream(path, { end: Math.max(0, size - 1) }), response)
}

const server = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy())
})
server.listen(Number(process.env['PORT'] ?? 8080))
process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
