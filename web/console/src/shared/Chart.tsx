import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useLanguage } from '@/i18n'
import { clock, useZone } from '@/i18n/format.ts'
import classes from './Chart.module.css'
import { distinct, sizeOf, timeOf } from './ticks.ts'

/** Line is one series of a chart. */
export interface Line {
  readonly label: string
  /** A CSS variable of theme.ts, such as "--c-good". */
  readonly color: string
  /** Whether the area below is tinted. */
  readonly fill?: boolean
  readonly dash?: readonly number[]
}

export interface ChartProps {
  /** What the chart shows, in words, for those who do not see it. */
  readonly label: string
  /** Seconds since 1970 first, then the values of each line; null is a gap. */
  readonly data: uPlot.AlignedData
  readonly lines: readonly Line[]
  readonly height?: number
  readonly format: (value: number) => string
  /** The seconds that the axis begins and ends with; absent: those of the data. */
  readonly from?: number
  readonly to?: number
}

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

const font = '11px "Inter Variable", system-ui, sans-serif'
let pen: CanvasRenderingContext2D | null | undefined

/** widthOf measures a label of an axis. */
function widthOf(label: string): number {
  pen ??= document.createElement('canvas').getContext('2d')
  if (!pen) return 7 * label.length
  pen.font = font
  return pen.measureText(label).width
}

function optionsOf(props: ChartProps, width: number): uPlot.Options {
  const grid = { stroke: color('--c-line'), width: 1 }
  const text = { stroke: color('--mantine-color-dimmed'), font }
  const { from, to } = props
  return {
    width,
    height: props.height ?? 200,
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    padding: [8, 8, 0, 0],
    scales: {
      x: from !== undefined && to !== undefined ? { time: true, range: () => [from, to] } : { time: true },
      y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] },
    },
    axes: [
      {
        ...text,
        grid: { show: false },
        ticks: { show: false },
        space: 90,
        size: 26,
        values: (_, at) => at.map((t) => timeOf(clock(t * 1000))),
      },
      {
        ...text,
        grid,
        ticks: { show: false },
        size: (_, labels) => sizeOf(labels, widthOf),
        values: (_, at) => distinct(at.map(props.format)),
      },
    ],
    series: [
      {},
      ...props.lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
        ...(line.dash ? { dash: [...line.dash] } : {}),
        ...(line.fill ? { fill: color(`${line.color}-soft`) } : {}),
      })),
    ],
  }
}

/** Chart draws lines over time. Beside the picture stand the newest values, in the colour and with the name of their
 * line; pointing at a moment shows its values instead. */
export default function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const readout = useRef<HTMLDListElement>(null)
  const scheme = useComputedColorScheme('light')
  const language = useLanguage()
  const zone = useZone()
  const latest = useRef(props)
  latest.current = props
  const shape = props.lines.map((line) => line.label + line.color).join()
  useEffect(() => {
    const place = box.current!
    const options = optionsOf(latest.current, place.clientWidth || 400)
    const frame = () => latest.current
    options.scales!['x']!.range = (_, low, high) => {
      const { from, to } = frame()
      return from !== undefined && to !== undefined ? [from, to] : [low, high]
    }
    options.hooks = {
      setCursor: [(u) => show(u, frame(), readout.current)],
      setData: [(u) => show(u, frame(), readout.current)],
    }
    const made = new uPlot(options, latest.current.data, place)
    plot.current = made
    show(made, latest.current, readout.current)
    const watch = new ResizeObserver(() =>
      made.setSize({ width: place.clientWidth, height: frame().height ?? 200 }),
    )
    watch.observe(place)
    return () => {
      watch.disconnect()
      made.destroy()
    }
  }, [scheme, language, zone, shape])
  useEffect(() => plot.current?.setData(props.data), [props.data])
  return (
    <figure className={classes['figure']} aria-label={props.label}>
      <dl className={classes['legend']} ref={readout}>
        {props.lines.map((line) => (
          <div key={line.label} className={classes['entry']}>
            <dt>
              <svg width="14" height="8" aria-hidden="true">
                <line
                  x1="0"
                  y1="4"
                  x2="14"
                  y2="4"
                  stroke={`var(${line.color})`}
                  strokeWidth="2.5"
                  strokeDasharray={line.dash?.join(' ')}
                />
              </svg>
              {line.label}
            </dt>
            <dd className="num">–</dd>
          </div>
        ))}
      </dl>
      <div ref={box} className={classes['box']} style={{ height: props.height ?? 200 }} aria-hidden="true" />
    </figure>
  )
}

/** show puts the values at the cursor, or the newest ones, into the legend. */
function show(u: uPlot, props: ChartProps, list: HTMLElement | null): void {
  const at = u.cursor.idx ?? u.data[0].length - 1
  list?.querySelectorAll('dd').forEach((place, i) => {
    const value = u.data[i + 1]?.[at]
    place.textContent = value === null || value === undefined ? '–' : props.format(value)
  })
}
