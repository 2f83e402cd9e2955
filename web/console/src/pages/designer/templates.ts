/** The templates that one can begin with. Each is sound by the lint. */
export const templateNames = ['order', 'parallel', 'approval', 'loop', 'wait', 'empty'] as const
export type TemplateName = (typeof templateNames)[number]

const head = (name: string) => `saga: 1\nname: ${name}\n`

const bodies: Readonly<Record<TemplateName, string>> = {
  empty: `deadline: 1h
steps: []
`,
  order: `title: Order with a payment
input:
  type: object
  required: [order, total]
  properties:
    order: {type: string}
    total: {type: number, exclusiveMinimum: 0}
deadline: 1d
steps:
  # What can be undone comes first.
  - id: reserve
    title: Reserve the goods
    call: {url: "http://127.0.0.1:9000/reservations", body: {order: "\${input.order}"}}
    compensate:
      call: {method: DELETE, url: "http://127.0.0.1:9000/reservations/\${input.order}"}

  # When the money is there, there is no way back.
  - id: pay
    title: Take the money
    call: {url: "http://127.0.0.1:9000/payments", body: {order: "\${input.order}", amount: "\${input.total}"}}
    output: {payment: "\${body.id}"}
    pivot: true

  # This is tried until it is done.
  - id: ship
    title: Send the parcel
    call: {url: "http://127.0.0.1:9000/shipments", body: {order: "\${input.order}"}}
    retry: {first: 500ms, max: 1m}

output: {payment: "\${steps.pay.output.payment}"}
`,
  parallel: `title: Book a journey
input:
  type: object
  required: [traveller, to]
  properties:
    traveller: {type: string, minLength: 1}
    to: {type: string}
deadline: 1h
steps:
  # Both at the same time.
  - id: flight
    after: []
    call: {url: "http://127.0.0.1:9000/flights", body: {traveller: "\${input.traveller}", to: "\${input.to}"}}
    timeout: 10s
    compensate:
      call: {method: DELETE, url: "http://127.0.0.1:9000/flights/\${saga.id}"}

  - id: hotel
    after: []
    call: {url: "http://127.0.0.1:9000/hotels", body: {guest: "\${input.traveller}", city: "\${input.to}"}}
    timeout: 10s
    compensate:
      call: {method: DELETE, url: "http://127.0.0.1:9000/hotels/\${saga.id}"}

  # When both are booked.
  - id: pay
    after: [flight, hotel]
    call: {url: "http://127.0.0.1:9000/payments", body: {payer: "\${input.traveller}"}}
    timeout: 30s
    compensate:
      call: {url: "http://127.0.0.1:9000/payments/\${saga.id}/refund"}
`,
  approval: `title: Purchase with approval
input:
  type: object
  required: [item, price]
  properties:
    item: {type: string}
    price: {type: number}
deadline: 7d
steps:
  - id: hold
    title: Set the budget aside
    worker: {task: budget-hold, input: {amount: "\${input.price}"}}
    compensate:
      worker: {task: budget-free, input: {amount: "\${input.price}"}}

  - id: size
    choice:
      cases:
        - {case: large, when: input.price > 1000}
      else: small

  - id: manager
    title: Ask the manager
    after: size.large
    approval:
      prompt: May \${input.item} be bought for \${input.price}?
      by: [operator]
    timeout: 3d

  - id: order
    after: [size.small, manager]
    call: {url: "http://127.0.0.1:9000/purchases", body: {item: "\${input.item}"}}
    compensate:
      call: {method: DELETE, url: "http://127.0.0.1:9000/purchases/\${saga.id}"}
`,
  loop: `title: Pay salaries
input:
  type: object
  required: [people]
  properties:
    people:
      type: array
      maxItems: 500
      items:
        type: object
        required: [id, salary]
        properties: {id: {type: string}, salary: {type: number}}
deadline: 1d
steps:
  - id: transfer
    title: Pay each of them
    forEach: {in: input.people, as: person, parallel: 4, max: 500}
    call: {url: "http://127.0.0.1:9000/transfers", body: {to: "\${person.id}", amount: "\${person.salary}"}}
    compensate:
      call: {url: "http://127.0.0.1:9000/transfers/back", body: {to: "\${person.id}"}}

  - id: report
    title: Tell the books
    message: {topic: payroll, data: {people: "\${len(input.people)}"}}
    compensate:
      message: {topic: payroll, tag: revoked, data: {run: "\${saga.id}"}}
`,
  wait: `title: Wait for a delivery
input:
  type: object
  required: [order]
  properties: {order: {type: string}}
deadline: 14d
steps:
  - id: order
    title: Order the goods
    call: {url: "http://127.0.0.1:9000/orders", body: {order: "\${input.order}"}}
    compensate:
      call: {method: DELETE, url: "http://127.0.0.1:9000/orders/\${input.order}"}

  - id: delivered
    title: Wait until the goods are here
    signal:
      name: goods-received
      schema: {type: object, required: [complete], properties: {complete: {type: boolean}}}
    timeout: 10d
    output: {complete: "\${body.complete}"}

  - id: thank
    title: Say thank you
    when: steps.delivered.output.complete
    message: {topic: mails, data: {order: "\${input.order}"}}
    readOnly: true
`,
}

/** templateText is the text of a template under a name. */
export function templateText(template: TemplateName, name: string): string {
  return head(name) + bodies[template]
}
