import { say, useLanguage, useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { comesAfter, kindText, paintTexts } from './describe.ts'
import { iconOf } from './kinds.ts'
import { inOrder, modelOf, type GraphStep } from './model.ts'
import { paintTone, type Paints } from './paint.ts'
import classes from './SagaGraph.module.css'
import { words } from './words.ts'

export interface StepListProps {
  readonly steps: readonly GraphStep[]
  readonly paint?: Paints | undefined
  readonly selected?: string | undefined
  readonly onSelect?: ((path: string) => void) | undefined
  readonly open?: Readonly<Record<string, readonly GraphStep[]>> | undefined
  readonly prefix?: string
}

/** StepList says in order what the graph draws: each step behind those that it waits for. */
export function StepList({ steps, paint, selected, onSelect, open, prefix = '' }: StepListProps) {
  const t = useWords(words)
  useLanguage()
  const model = modelOf(steps)
  if (steps.length === 0) return <p className="dim">{t('noSteps')}</p>
  return (
    <ol className={classes['list']}>
      {inOrder(model).map((step) => {
        const path = prefix + step.id
        const painted = paint?.[path]
        const sub = open?.[path]
        return (
          <li key={path}>
            <div className={classes['listRow']} data-chosen={selected === path || undefined}>
              <Icon path={iconOf(step.kind)} />
              <button
                type="button"
                className={classes['listName']}
                aria-pressed={selected === path}
                onClick={() => onSelect?.(path)}
              >
                {step.title || step.id}
              </button>
              <span className="dim">
                {joined(step.title ? step.id : '', kindText(step.kind), comesAfter(model, step.id))}
              </span>
              {step.pivot && <Mark tone="warn" text={t('pivot')} help={t('pivotHelp')} />}
              {painted?.state && <Mark tone={paintTone(painted.state)} text={t(painted.state)} />}
            </div>
            <div className={classes['listMore']}>
              {joined(step.target, ...traits(step), ...paintTexts(painted, true))}
            </div>
            {sub && (
              <StepList
                steps={sub}
                paint={paint}
                selected={selected}
                onSelect={onSelect}
                open={open}
                prefix={`${path}/`}
              />
            )}
          </li>
        )
      })}
    </ol>
  )
}

function joined(...texts: (string | undefined)[]): string {
  return texts.filter(Boolean).join(' · ')
}

function traits(step: GraphStep): string[] {
  const out: string[] = []
  if (step.when) out.push(say(words, 'whenIs', { condition: step.when }))
  if (step.forEach) out.push(say(words, 'loopOf', { list: step.forEach }))
  if (step.repeat) out.push(say(words, 'repeatHelp'))
  if (step.onRefused === 'continue') out.push(say(words, 'goesOnHelp'))
  if (step.compensate) out.push(say(words, 'undo', { kind: kindText(step.compensate) }))
  return out
}
