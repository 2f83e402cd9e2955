import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { binaryFor } from './binary.ts'
import { Client } from './client.ts'
import { endWithProcess } from './ending.ts'
import { patience, until } from './until.ts'

/** Those who have a key at a server that is not for development. `second` is another resolver. */
export const roles = ['viewer', 'operator', 'resolver', 'admin', 'service', 'second'] as const
export type Role = (typeof roles)[number]

/** How a server is started. */
export interface ServerOptions {
  /** Open to everybody, with the playground; otherwise it wants keys. */
  dev: boolean
  /** More flags. */
  args?: string[]
}

/** The admin that is configured, by whom the keys are made. */
const firstToken = 'e2e-first-token-0123456789-0123456789'

/** A running concord, with a data directory and ports of its own. */
export class Server {
  base = ''
  readonly dev: boolean
  private readonly lines: string[] = []
  private readonly keys = new Map<Role, string>()
  private readonly place = mkdtempSync(join(tmpdir(), 'concord-e2e-'))
  private child: ChildProcess | undefined
  private forget: () => void = () => undefined

  private constructor(private readonly options: ServerOptions) {
    this.dev = options.dev
  }

  static async start(options: ServerOptions): Promise<Server> {
    const s = new Server(options)
    try {
      await s.launch('127.0.0.1:0')
      if (!s.dev) {
        await s.makeKeys()
      }
    } catch (wrong) {
      const log = s.log()
      await s.stop()
      throw new Error(`${String(wrong)}\n${log}`)
    }
    return s
  }

  /** Everything that it has logged. */
  log(): string {
    return this.lines.join('\n')
  }

  /** The key of a role; a server for development wants none. */
  key(role: Role): string {
    return this.keys.get(role) ?? ''
  }

  /** A client with the key of a role. */
  client(role: Role = 'admin'): Client {
    return new Client(this.base, this.key(role))
  }

  /** Has the process stand still, as if the machine had. */
  pause(): void {
    this.child?.kill('SIGSTOP')
  }

  resume(): void {
    this.child?.kill('SIGCONT')
  }

  /** Ends the process and keeps its data, for start again. */
  async down(): Promise<void> {
    const child = this.child
    if (child === undefined) {
      return
    }
    this.child = undefined
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((done) => {
        child.once('exit', () => {
          done()
        })
      })
      child.kill('SIGCONT')
      child.kill('SIGKILL') // what it has answered is durable
      await ended
    }
    this.forget()
  }

  /** Starts it again where it was. */
  async up(): Promise<void> {
    await this.launch(new URL(this.base).host)
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    await this.down()
    rmSync(this.place, { recursive: true, force: true })
  }

  private async launch(http: string): Promise<void> {
    const args = [
      'serve',
      '--data',
      join(this.place, 'data'),
      '--tc',
      '127.0.0.1:0',
      '--http',
      http,
      '--log-format',
      'json',
      '--store-disk-reserve',
      '64MiB',
      ...(this.dev ? ['--dev'] : ['--config', this.settings()]),
      ...(this.options.args ?? []),
    ]
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('CONCORD_')),
    )
    const child = spawn(binaryFor(this.dev), args, { stdio: ['ignore', 'ignore', 'pipe'], env: environment })
    this.child = child
    this.forget = endWithProcess(() => {
      child.kill('SIGKILL')
      rmSync(this.place, { recursive: true, force: true })
    })
    await this.ready(child)
    await until(
      'the server is ready',
      async () => (await new Client(this.base).send('GET', '/readyz')).status === 200,
    )
  }

  /** Waits for the line of the log that has the address. */
  private ready(child: ChildProcess): Promise<void> {
    return new Promise((done, fail) => {
      const late = setTimeout(() => {
        fail(new Error('concord does not say that it is ready'))
      }, patience)
      child.once('error', fail)
      child.once('exit', (code) => {
        clearTimeout(late)
        fail(new Error(`concord has ended with ${code}`))
      })
      const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream })
      lines.on('line', (line) => {
        this.lines.push(line)
        if (line.includes('"concord is ready"')) {
          clearTimeout(late)
          this.base = `http://${(JSON.parse(line) as { http: string }).http}`
          done()
        }
      })
    })
  }

  /** Writes the settings of a server that wants keys, and says where they are. */
  private settings(): string {
    const path = join(this.place, 'concord.yaml')
    writeFileSync(path, `access:\n  token: ${firstToken}\ncallback:\n  allow: ["127.0.0.0/8"]\n`, {
      mode: 0o600,
    })
    return path
  }

  private async makeKeys(): Promise<void> {
    const first = new Client(this.base, firstToken)
    for (const role of roles) {
      const body = { name: role, roles: [role === 'second' ? 'resolver' : role] }
      this.keys.set(role, (await first.post<{ token: string }>('/keys', body)).token)
    }
  }
}
