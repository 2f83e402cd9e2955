import { createServer, type IncomingMessage, type Server as HTTPServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A call as it came. */
export interface Call {
  method: string
  path: string
  body: string
  headers: IncomingMessage['headers']
}

/** What a participant says: a status, a status with a body, or nothing at all. */
export type Say = number | 'silence' | { status: number; body?: unknown; headers?: Record<string, string> }

/** What is said to a call: always the same, one after the other and the last for ever, or what a function decides. */
export type Script = Say | Say[] | ((call: Call) => Say | Promise<Say>)

/**
 * A participant server whose answers the test chooses by path; what nobody has chosen is answered with 200 and `{}`.
 */
export class Participant {
  readonly calls: Call[] = []
  base = ''
  private readonly scripts = new Map<string, Script>()
  private readonly server: HTTPServer

  private constructor() {
    this.server = createServer((request, response) => {
      void this.serve(request, response)
    })
  }

  static async start(): Promise<Participant> {
    const p = new Participant()
    await new Promise<void>((done) => {
      p.server.listen(0, '127.0.0.1', done)
    })
    p.server.unref()
    p.base = `http://127.0.0.1:${(p.server.address() as AddressInfo).port}`
    return p
  }

  /** The address of a path of this participant. */
  url(path: string): string {
    return this.base + path
  }

  /** Chooses what a path answers from now on. */
  answer(path: string, script: Script): void {
    this.scripts.set(path, Array.isArray(script) ? [...script] : script)
  }

  /** The calls of a path, oldest first. */
  callsOf(path: string): Call[] {
    return this.calls.filter((one) => one.path === path)
  }

  close(): Promise<void> {
    this.server.closeAllConnections()
    return new Promise((done) => {
      this.server.close(() => {
        done()
      })
    })
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) {
      chunks.push(chunk as Buffer)
    }
    const call: Call = {
      method: request.method ?? '',
      path: new URL(request.url ?? '/', this.base).pathname,
      body: Buffer.concat(chunks).toString('utf8'),
      headers: request.headers,
    }
    this.calls.push(call)
    const say = await this.decide(call)
    if (say === 'silence') {
      return
    }
    const all = typeof say === 'number' ? { status: say } : say
    const body =
      all.body === undefined ? '{}' : typeof all.body === 'string' ? all.body : JSON.stringify(all.body)
    response.writeHead(all.status, { 'Content-Type': 'application/json', ...all.headers })
    response.end(body)
  }

  private decide(call: Call): Say | Promise<Say> {
    const script = this.scripts.get(call.path)
    if (script === undefined) {
      return 200
    }
    if (typeof script === 'function') {
      return script(call)
    }
    if (Array.isArray(script)) {
      const next = script.length > 1 ? script.shift() : script[0]
      return next ?? 200
    }
    return script
  }
}
