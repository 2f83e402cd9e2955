import type { Schemas } from '@/api/client.ts'
import { numberOf } from '@/shared/Xid.tsx'

export type LockGraph = Schemas['LockGraph']
type Row = Schemas['Row']

/** rowText is a row as people write it. */
export function rowText(row: Row | undefined): string {
  return [row?.table, row?.pk].filter(Boolean).join(' ') || (row?.resource ?? '')
}

/** Box is a transaction or a row of the drawing, of a known size. */
export interface Box {
  readonly id: string
  readonly kind: 'transaction' | 'row'
  readonly title: string
  readonly text: string
  readonly width: number
  readonly height: number
  readonly inCycle: boolean
  readonly xid?: string
}

/** Arrow leads from who waits to the row, and from the row to who holds it. */
export interface Arrow {
  readonly from: string
  readonly to: string
  readonly inCycle: boolean
}

const sizes = { transaction: [190, 46], row: [170, 32] } as const

/** shorten cuts a text in its middle, so that its ends can be told apart. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text
  const half = Math.floor((most - 1) / 2)
  return `${text.slice(0, most - 1 - half)}…${text.slice(text.length - half)}`
}

/** drawn turns waits into boxes and arrows: xid, row, xid. A row is drawn once, however many wait for it. */
export function drawn(graph: LockGraph): { boxes: Box[]; arrows: Arrow[] } {
  const boxes = new Map<string, Box>()
  const arrows = new Map<string, Arrow>()
  const known = new Map((graph.nodes ?? []).map((node) => [node.xid, node]))
  const transaction = (xid: string, inCycle: boolean): string => {
    const id = `t ${xid}`
    const node = known.get(xid)
    const cyclic = inCycle || !!node?.inCycle || !!boxes.get(id)?.inCycle
    const [width, height] = sizes.transaction
    const text = [node?.application, node?.status].filter(Boolean).join(' · ')
    boxes.set(id, {
      id,
      kind: 'transaction',
      title: shorten(numberOf(xid), 22),
      text: shorten(text, 28),
      width,
      height,
      inCycle: cyclic,
      xid,
    })
    return id
  }
  for (const edge of graph.edges ?? []) {
    const cyclic = !!edge.inCycle
    const from = transaction(edge.waiter ?? '', cyclic)
    const to = transaction(edge.holder ?? '', cyclic)
    const id = `r ${edge.row?.resource ?? ''} ${edge.row?.table ?? ''} ${edge.row?.pk ?? ''}`
    const [width, height] = sizes.row
    boxes.set(id, {
      id,
      kind: 'row',
      title: shorten(rowText(edge.row), 24),
      text: edge.row?.resource ?? '',
      width,
      height,
      inCycle: cyclic || !!boxes.get(id)?.inCycle,
    })
    for (const arrow of [
      { from, to: id },
      { from: id, to },
    ]) {
      const key = `${arrow.from}>${arrow.to}`
      arrows.set(key, { ...arrow, inCycle: cyclic || !!arrows.get(key)?.inCycle })
    }
  }
  return { boxes: [...boxes.values()], arrows: [...arrows.values()] }
}

/** bars are the heights of a series, from 0 to 1 of the highest. */
export function bars(series: readonly number[] | undefined, most: number): number[] {
  return (series ?? []).map((n) => (most > 0 ? n / most : 0))
}
