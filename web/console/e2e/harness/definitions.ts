/** The sagas of the tests, in the language of docs/SAGAS.md. `base` is the address of the participant. */

/** Three steps with a pivot; the participant decides how it ends. */
export function order(name: string, base: string, path: string): string {
  return `saga: 1
name: ${name}
title: An order
input:
  type: object
  required: [order, total]
  properties: {order: {type: string}, total: {type: number}}
deadline: 1h
steps:
  - id: reserve
    title: Reserve the goods
    call: {url: "${base}${path}/reserve", body: {order: "\${input.order}"}}
    output: {reservation: "\${body.id ?? 'none'}"}
    compensate:
      call: {url: "${base}${path}/release", body: {order: "\${input.order}"}}
      retry: {first: 50ms, max: 100ms, attempts: 2}
  - id: price
    title: Ask for the price
    call: {url: "${base}${path}/price", body: {order: "\${input.order}"}}
    readOnly: true
    retry: {first: 50ms, max: 100ms, attempts: 3}
  - id: pay
    title: Take the money
    call: {url: "${base}${path}/pay", body: {amount: "\${input.total}"}}
    pivot: true
  - id: ship
    title: Send the parcel
    call: {url: "${base}${path}/ship", body: {order: "\${input.order}"}}
    retry: {first: 50ms, max: 100ms, attempts: 3}
`
}

/** What a saga can wait for. */
export type Wait = 'approval' | 'signal' | 'timer' | 'worker'

/** One step and then a wait of the kind that is given. */
export function waiting(name: string, base: string, path: string, kind: Wait): string {
  const waits = {
    approval:
      'approval: {prompt: "Send order ${input.order}?", by: [operator], data: {order: "${input.order}"}}',
    signal: 'signal: {name: paid, schema: {type: object, properties: {amount: {type: number}}}}',
    timer: 'timer: {for: 6h}',
    worker: `worker: {task: "${name}-pack", input: {order: "\${input.order}"}}`,
  }
  return `saga: 1
name: ${name}
title: An order that waits
input: {type: object, required: [order], properties: {order: {type: string}}}
deadline: 1d
steps:
  - id: reserve
    title: Reserve the goods
    call: {url: "${base}${path}/reserve", body: {order: "\${input.order}"}}
    compensate:
      call: {url: "${base}${path}/release"}
  - id: wait
    title: Wait
    ${waits[kind]}${kind === 'worker' ? '\n    readOnly: true' : ''}
  - id: ship
    title: Send the parcel
    call: {url: "${base}${path}/ship"}
    pivot: true
`
}

/** One wait whose deadline passes at once, and that goes on all the same. */
export function late(name: string): string {
  return `saga: 1
name: ${name}
title: An order that takes its time
deadline: 10ms
onDeadline: forward
steps:
  - id: wait
    title: Wait for the money
    signal: {name: paid}
`
}
