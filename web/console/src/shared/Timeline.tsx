import { ActionIcon, Button, Checkbox, Tooltip } from '@mantine/core'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useCallback, useEffect, useId, useMemo, useRef, useState } from 'react'
import type { KeyboardEvent, ReactNode, RefObject } from 'react'
import { useWords } from '@/i18n'
import { absolute, count } from '@/i18n/format.ts'
import { Icon } from './Icon.tsx'
import { Drawn, rowHeight } from './timeline/Drawn.tsx'
import { Legend } from './timeline/Legend.tsx'
import {
  boundsOf,
  endOf,
  rowsOf,
  startOf,
  visibleItems,
  type Item,
  type Lane,
  type Row,
} from './timeline/model.ts'
import { gapScale, linearScale, panned, shownWith, ticksOf, whole, zoomed } from './timeline/scale.ts'
import type { Scale, View } from './timeline/scale.ts'
import { length, since } from './timeline/since.ts'
import type { TimelineState } from './timeline/state.ts'
import classes from './Timeline.module.css'
import { words } from './timeline/words.ts'

export interface TimelineProps {
  readonly label: string
  readonly lanes: readonly Lane[]
  /** Names of the groups of lanes. */
  readonly names: Readonly<Record<string, string>>
  readonly state: TimelineState
  readonly onState: (change: Partial<TimelineState>) => void
  /** Times are shown since this one. */
  readonly origin: number
  /** A moment that is marked through all lanes. */
  readonly cursor?: number | undefined
  /** Where the scale begins and ends, if not with the items: to align two timelines. */
  readonly bounds?: { readonly first: number; readonly last: number }
  /** Lanes of another timeline that has to be aligned with this one: the moments of both make the scale. */
  readonly beside?: readonly Lane[]
  /** Whether times of day are shown, and not only those since the origin. */
  readonly absolute?: boolean
  /** The most that the lanes may take of the height. */
  readonly maxHeight?: number
  /** Before the buttons. */
  readonly lead?: ReactNode
  /** Without the row of buttons, which another timeline beside it has. */
  readonly bare?: boolean
}

/** Timeline draws swim lanes: what each took part in, over time. It is drawn lane by lane as they come into sight, so
 * that thousands of entries open at once. Mouse, buttons and keys zoom, move, and go from one thing to the next. */
export function Timeline(props: TimelineProps) {
  const t = useWords(words)
  const { lanes, state, onState } = props
  const names = props.names as Record<string, string>
  const frame = useRef<HTMLDivElement>(null)
  const width = useWidth(frame)
  const rows = useMemo(() => rowsOf(lanes, state, names), [lanes, state, names])
  const scale = useScale(props)
  const [hovered, setHovered] = useState('')
  const shown = useMemo(() => find(rows, hovered) ?? find(rows, state.chosen), [rows, hovered, state.chosen])
  const labelWidth = width < 620 ? 120 : 216
  const plotWidth = Math.max(width - labelWidth - 1, 60)
  const help = useId()
  const onKeyDown = useKeys(rows, scale, state, onState)
  useMouse(frame, labelWidth, plotWidth, state.view, (view) => onState({ view }))
  return (
    <div>
      {!props.bare && <Bar {...props} />}
      <p id={help} className={classes['hidden']}>
        {t('help')}
      </p>
      <div
        ref={frame}
        className={classes['frame']}
        role="application"
        tabIndex={0}
        aria-label={props.label}
        aria-describedby={help}
        data-timeline
        data-rows={rows.length}
        onKeyDown={onKeyDown}
        onPointerOver={(event) => setHovered((event.target as Element).getAttribute('data-item') ?? '')}
        onPointerLeave={() => setHovered('')}
        onClick={(event) => {
          const id = (event.target as Element).getAttribute('data-item')
          if (id) onState({ chosen: id === state.chosen ? '' : id })
        }}
      >
        {rows.length === 0 ? (
          <div className={classes['none']}>{t('nothingFailed')}</div>
        ) : (
          width > 0 && (
            <Lanes {...props} rows={rows} scale={scale} labelWidth={labelWidth} plotWidth={plotWidth} />
          )
        )}
      </div>
      <Details shown={shown} origin={props.origin} absolute={props.absolute ?? true} legend={!props.bare} />
    </div>
  )
}

function useWidth(of: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const element = of.current
    if (!element) return
    setWidth(element.clientWidth)
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [of])
  return width
}

interface Drawing {
  readonly scale: Scale
  /** The moments at which something happens, in order. */
  readonly moments: readonly number[]
}

function useScale({ lanes, bounds, beside, state }: TimelineProps): Drawing {
  return useMemo(() => {
    const { first, last } = bounds ?? boundsOf(lanes)
    const all = new Set<number>()
    for (const lane of beside ? [...lanes, ...beside] : lanes) {
      for (const item of lane.items) all.add(startOf(item)).add(endOf(item))
    }
    const moments = [...all].sort((a, b) => a - b)
    return { scale: state.shortGaps ? gapScale(moments, first, last) : linearScale(first, last), moments }
  }, [lanes, bounds, beside, state.shortGaps])
}

interface Shown {
  readonly lane: Row
  readonly item: Item
}

function find(rows: readonly Row[], id: string): Shown | undefined {
  if (!id) return undefined
  for (const lane of rows) {
    const item = lane.items.find((one) => one.id === id)
    if (item) return { lane, item }
  }
  return undefined
}

/** useKeys goes through the items, and moves the view. */
function useKeys(
  rows: readonly Row[],
  { scale }: Drawing,
  state: TimelineState,
  onState: (change: Partial<TimelineState>) => void,
): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const middle = (state.view.from + state.view.to) / 2
    const go = (shown: Shown | undefined) => {
      if (!shown) return
      const view = shownWith(state.view, scale.toU(startOf(shown.item)), scale.toU(startOf(shown.item)))
      onState({ chosen: shown.item.id, view })
    }
    const sideways = (by: number) =>
      event.shiftKey ? onState({ view: panned(state.view, by * 0.2) }) : go(beside(rows, state.chosen, by))
    const acts: Record<string, () => void> = {
      '+': () => onState({ view: zoomed(state.view, 0.5, middle) }),
      '=': () => onState({ view: zoomed(state.view, 0.5, middle) }),
      '-': () => onState({ view: zoomed(state.view, 2, middle) }),
      '0': () => onState({ view: whole }),
      Escape: () => onState({ chosen: '' }),
      ArrowRight: () => sideways(1),
      ArrowLeft: () => sideways(-1),
      ArrowDown: () => go(below(rows, state.chosen, 1)),
      ArrowUp: () => go(below(rows, state.chosen, -1)),
      Home: () => go(rows[0] && { lane: rows[0], item: rows[0].items[0]! }),
    }
    const act = acts[event.key]
    if (!act || (event.key === 'Escape' && !state.chosen)) return
    event.preventDefault()
    event.stopPropagation()
    act()
  }
}

function beside(rows: readonly Row[], id: string, by: number): Shown | undefined {
  const now = find(rows, id)
  if (!now) return rows[0]?.items[0] && { lane: rows[0], item: rows[0].items[0] }
  const item = now.lane.items[now.lane.items.indexOf(now.item) + by]
  return item && { lane: now.lane, item }
}

/** below is the item of the next lane that is nearest in time. */
function below(rows: readonly Row[], id: string, by: number): Shown | undefined {
  const now = find(rows, id)
  if (!now) return beside(rows, '', 1)
  for (let i = rows.findIndex((row) => row.id === now.lane.id) + by; i >= 0 && i < rows.length; i += by) {
    const lane = rows[i]!
    if (lane.items.length === 0) continue
    const far = (item: Item) => Math.abs(startOf(item) - startOf(now.item))
    return { lane, item: lane.items.reduce((best, item) => (far(item) < far(best) ? item : best)) }
  }
  return undefined
}

/** useMouse zooms with Control and the wheel, and moves by dragging. */
function useMouse(
  frame: RefObject<HTMLDivElement | null>,
  left: number,
  width: number,
  view: View,
  set: (view: View) => void,
): void {
  const latest = useRef({ left, width, view, set })
  latest.current = { left, width, view, set }
  useEffect(() => {
    const element = frame.current
    if (!element) return
    let from: { x: number; view: View } | undefined
    const onWheel = (event: WheelEvent) => {
      const now = latest.current
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY)
      if (!event.ctrlKey && !sideways) return
      event.preventDefault()
      if (sideways && !event.ctrlKey) return now.set(panned(now.view, event.deltaX / now.width))
      const part = (event.clientX - element.getBoundingClientRect().left - now.left) / now.width
      const around = now.view.from + Math.min(Math.max(part, 0), 1) * (now.view.to - now.view.from)
      now.set(zoomed(now.view, Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY / 240))), around))
    }
    const onDown = (event: PointerEvent) => {
      if (event.button === 0 && (event.target as Element).closest('svg[data-plot]')) {
        from = { x: event.clientX, view: latest.current.view }
      }
    }
    const onMove = (event: PointerEvent) => {
      if (!from || Math.abs(event.clientX - from.x) < 3) return
      latest.current.set(panned(from.view, (from.x - event.clientX) / latest.current.width))
    }
    const onUp = () => (from = undefined)
    element.addEventListener('wheel', onWheel, { passive: false })
    element.addEventListener('pointerdown', onDown)
    window.addEventListener('pointermove', onMove)
    window.addEventListener('pointerup', onUp)
    return () => {
      element.removeEventListener('wheel', onWheel)
      element.removeEventListener('pointerdown', onDown)
      window.removeEventListener('pointermove', onMove)
      window.removeEventListener('pointerup', onUp)
    }
  }, [frame])
}

function Bar({ lanes, names, state, onState, lead }: TimelineProps) {
  const t = useWords(words)
  const middle = (state.view.from + state.view.to) / 2
  const groups = [...new Set(lanes.map((lane) => lane.group))]
  const button = (label: string, path: string, view: View) => (
    <Tooltip label={label}>
      <ActionIcon variant="default" size="md" aria-label={label} onClick={() => onState({ view })}>
        <Icon path={path} size={14} />
      </ActionIcon>
    </Tooltip>
  )
  return (
    <div className={classes['bar']}>
      {lead}
      <span className={classes['buttons']}>
        {button(t('earlier'), 'M10 3L5 8l5 5', panned(state.view, -0.4))}
        {button(t('zoomOut'), 'M3 8h10', zoomed(state.view, 2, middle))}
        {button(t('zoomIn'), 'M3 8h10M8 3v10', zoomed(state.view, 0.5, middle))}
        {button(t('later'), 'M6 3l5 5-5 5', panned(state.view, 0.4))}
        {button(t('fit'), 'M2 6V2h4M14 6V2h-4M2 10v4h4M14 10v4h-4', whole)}
      </span>
      <Checkbox
        size="xs"
        label={t('failedOnly')}
        checked={state.failedOnly}
        onChange={(event) => onState({ failedOnly: event.currentTarget.checked })}
      />
      <Tooltip label={t('shortGapsHelp')} multiline maw={280}>
        <div>
          <Checkbox
            size="xs"
            label={t('shortGaps')}
            checked={state.shortGaps}
            onChange={(event) => onState({ shortGaps: event.currentTarget.checked, view: whole })}
          />
        </div>
      </Tooltip>
      <span className={classes['buttons']}>
        {groups.map((group) => {
          const folded = state.folded.has(group)
          const next = new Set(state.folded)
          if (!next.delete(group)) next.add(group)
          return (
            <Button
              key={group}
              size="compact-xs"
              variant={folded ? 'light' : 'subtle'}
              aria-pressed={folded}
              onClick={() => onState({ folded: next })}
            >
              {t(folded ? 'unfold' : 'fold', { group: names[group] ?? group })}
            </Button>
          )
        })}
      </span>
    </div>
  )
}

/** onTop has points drawn over what takes time. */
function onTop(items: readonly Item[]): Item[] {
  return [...items.filter((item) => item.type === 'span'), ...items.filter((item) => item.type === 'point')]
}

/** What is nearer than this is not told apart. */
const leastPixels = 2

type LanesProps = TimelineProps & {
  readonly rows: readonly Row[]
  readonly scale: Drawing
  readonly labelWidth: number
  readonly plotWidth: number
}

function Lanes({
  rows,
  scale: drawing,
  labelWidth,
  plotWidth,
  state,
  cursor,
  origin,
  maxHeight = 476,
}: LanesProps) {
  const t = useWords(words)
  const { scale, moments } = drawing
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 6,
    getItemKey: (i) => rows[i]!.id,
  })
  const { view } = state
  const perU = plotWidth / (view.to - view.from)
  const x = useCallback((at: number) => (scale.toU(at) - view.from) * perU, [scale, view.from, perU])
  const most = Math.max(plotWidth / 96, 2)
  const ticks = useMemo(() => ticksOf(scale, view, most, moments), [scale, view, most, moments])
  const from = scale.toTime(Math.min(Math.max(view.from, 0), 1))
  const to = scale.toTime(Math.min(Math.max(view.to, 0), 1))
  const across = useMemo(
    () => rows.flatMap((row) => row.items).filter((i) => i.type === 'point' && i.across),
    [rows],
  )
  const chosenRow = state.chosen
    ? rows.findIndex((row) => row.items.some((item) => item.id === state.chosen))
    : -1
  useEffect(() => {
    if (state.chosen && chosenRow >= 0) virtual.scrollToIndex(chosenRow, { align: 'auto' })
  }, [state.chosen, chosenRow, virtual])
  return (
    <div ref={scroller} className={classes['scroller']} style={{ maxHeight }}>
      <div className={classes['axis']} aria-hidden="true">
        <div className={classes['corner']} style={{ width: labelWidth }} />
        <svg width={plotWidth} height={30}>
          {ticks
            .filter((at) => x(at) < plotWidth - 44)
            .map((at) => (
              <g key={at}>
                <line className={classes['tick']} x1={x(at)} x2={x(at)} y1={22} y2={30} />
                <text className={classes['axisText']} x={x(at) + 4} y={17}>
                  {at === origin ? t('begin') : since(at - origin)}
                </text>
              </g>
            ))}
          {cursor !== undefined && (
            <path className={classes['cursorHead']} d="M-6 0H6L0 8Z" transform={`translate(${x(cursor)} 21)`} />
          )}
        </svg>
      </div>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index]!
          return (
            <div
              key={item.key}
              className={classes['row']}
              data-lane={row.id}
              data-failed={row.failed}
              style={{ top: item.start, height: rowHeight }}
            >
              <div className={classes['label']} style={{ width: labelWidth }} title={row.title}>
                <span className={`${classes['name']} clip`}>{row.title}</span>
                {(row.subtitle || row.folds > 0) && (
                  <span className={`${classes['sub']} clip`}>
                    {row.folds > 0 ? t('folded', { n: count(row.folds) }) : row.subtitle}
                  </span>
                )}
              </div>
              <svg
                className={classes['plot']}
                data-plot
                width={plotWidth}
                height={rowHeight - 1}
                aria-hidden="true"
              >
                {ticks.map((at) => (
                  <line key={at} className={classes['tick']} x1={x(at)} x2={x(at)} y1={0} y2={rowHeight} />
                ))}
                {across.map((one) => (
                  <line
                    key={one.id}
                    className={classes['across']}
                    x1={x(startOf(one))}
                    x2={x(startOf(one))}
                    y1={0}
                    y2={rowHeight}
                  />
                ))}
                {onTop(visibleItems(row.items, from, to, leastPixels, x)).map((one) => (
                  <Drawn key={one.id} item={one} x={x} chosen={one.id === state.chosen} />
                ))}
                {cursor !== undefined && (
                  <line className={classes['cursor']} x1={x(cursor)} x2={x(cursor)} y1={0} y2={rowHeight} />
                )}
              </svg>
            </div>
          )
        })}
      </div>
    </div>
  )
}

function Details({
  shown,
  origin,
  absolute: dated,
  legend,
}: {
  shown: Shown | undefined
  origin: number
  absolute: boolean
  legend: boolean
}) {
  const t = useWords(words)
  if (!shown) {
    return (
      <div className={classes['details']} role="status">
        <span className="dim">{t('pointAt')}</span>
        {legend && <Legend />}
      </div>
    )
  }
  const { item, lane } = shown
  const took = endOf(item) - startOf(item)
  return (
    <div className={classes['details']} role="status" data-details>
      <div className={classes['detailsHead']}>
        <strong>{item.title}</strong>
        <span className="dim">{lane.title}</span>
        <span className="num">{t('since', { time: since(startOf(item) - origin) })}</span>
        {item.type === 'span' && item.startKnown && (
          <span className="num">{t(item.open ? 'tookSoFar' : 'took', { time: length(took) })}</span>
        )}
        {item.type === 'span' && !item.startKnown && <span className="dim">{t('notBefore')}</span>}
        {dated && <span className="dim num">{absolute(startOf(item))}</span>}
      </div>
      {item.text && <div className={`${classes['said']} mono`}>{item.text}</div>}
    </div>
  )
}
