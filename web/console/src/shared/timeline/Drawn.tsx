import { startOf, endOf, type Item, type Point, type Span } from './model.ts'
import classes from '../Timeline.module.css'

/** rowHeight is that of a lane. */
export const rowHeight = 34
const middle = rowHeight / 2
const barHeight = 16

/** Shapes of points around 0, 0: told apart by shape, not by colour alone. */
export const pointShapes: Record<Point['kind'], string> = {
  durable: 'M0-6.5L6.5 0 0 6.5-6.5 0Z',
  mark: 'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z',
  person: 'M-5-5H5V5H-5Z',
  trouble: 'M0-6.5L6.5 5.5H-6.5Z',
  planned: 'M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z',
}

/** Drawn draws one item of a lane. x puts a time onto the plot. */
export function Drawn({ item, x, chosen }: { item: Item; x: (at: number) => number; chosen: boolean }) {
  const left = x(startOf(item))
  const right = x(endOf(item))
  const width = Math.max(right - left, item.type === 'span' && item.kind === 'attempt' ? 6 : 2)
  const hit = Math.max(width, 12)
  return (
    <g>
      {item.type === 'span' ? <Bar item={item} left={left} width={width} /> : <Mark item={item} at={left} />}
      {chosen && (
        <rect
          className={classes['chosen']}
          x={item.type === 'span' ? left - 3 : left - 10}
          y={4}
          width={item.type === 'span' ? width + 6 : 20}
          height={rowHeight - 8}
          rx={5}
        />
      )}
      <rect
        className={classes['hit']}
        data-item={item.id}
        x={item.type === 'span' ? left - (hit - width) / 2 : left - 8}
        y={3}
        width={item.type === 'span' ? hit : 16}
        height={rowHeight - 6}
      />
    </g>
  )
}

function Mark({ item, at }: { item: Point; at: number }) {
  return (
    <path
      className={classes['point']}
      data-kind={item.kind}
      d={pointShapes[item.kind]}
      transform={`translate(${at} ${middle})`}
    />
  )
}

function Bar({ item, left, width }: { item: Span; left: number; width: number }) {
  switch (item.kind) {
    case 'wait':
      return <line className={classes['wait']} x1={left + 2} x2={left + width - 2} y1={middle} y2={middle} />
    case 'untold':
      return <line className={classes['untold']} x1={left + 2} x2={left + width - 2} y1={middle} y2={middle} />
    case 'phase':
      return (
        <>
          <rect
            className={classes['phase']}
            data-outcome={item.outcome}
            x={left}
            width={width}
            y={middle - 10}
            height={20}
            rx={3}
          />
          {width > 110 && (
            <text className={classes['inside']} x={left + 12} y={middle + 4}>
              {fitting(item.title, width - 24)}
            </text>
          )}
        </>
      )
    case 'attempt':
      return <Attempt item={item} left={left} width={width} />
  }
}

function Attempt({ item, left, width }: { item: Span; left: number; width: number }) {
  const bad = item.outcome === 'failed' || item.outcome === 'refused'
  const top = middle - barHeight / 2
  return (
    <>
      <rect
        className={classes['attempt']}
        data-outcome={item.outcome}
        x={left}
        width={width}
        y={top}
        height={barHeight}
        rx={Math.min(3, width / 2)}
        opacity={item.startKnown ? 1 : 0.85}
      />
      {bad && width >= 14 && <Cross at={left + width - 8} />}
      {bad && width < 14 && <Cross at={left + width + 6} />}
      {width > 34 && item.attempt !== undefined && (
        <text className={classes['inside']} x={left + 6} y={middle + 4}>
          {item.attempt}
        </text>
      )}
    </>
  )
}

function Cross({ at }: { at: number }) {
  return <path className={classes['cross']} d={`M${at - 3} ${middle - 3}l6 6M${at + 3} ${middle - 3}l-6 6`} />
}

function fitting(text: string, width: number): string {
  const most = Math.floor(width / 6.2)
  return text.length <= most ? text : `${text.slice(0, Math.max(most - 1, 0))}…`
}
