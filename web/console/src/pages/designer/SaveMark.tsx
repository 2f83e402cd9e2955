import { Button } from '@mantine/core'
import { Refused } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './Designer.module.css'
import type { Saving } from './saving.ts'
import { words } from './words.ts'

/** SaveMark says whether the server has what is shown. */
export function SaveMark({ saving, onConflict }: { saving: Saving; onConflict: () => void }) {
  const t = useWords(words)
  const { state } = saving
  switch (state.kind) {
    case 'readOnly':
      return <Mark tone="idle" text={t('readOnly')} help={t('readOnlyHelp')} />
    case 'new':
      return <Mark tone="idle" text={t('notADraft')} help={t('notADraftHelp')} />
    case 'unsaved':
      return <Mark tone="warn" text={t('unsaved')} />
    case 'saving':
      return <Mark tone="work" text={t('saving')} />
    case 'failed':
      return (
        <span className={classes['saveMark']}>
          <Mark
            tone="bad"
            text={t('notSaved')}
            help={
              state.error instanceof Refused
                ? `${state.error.message} ${state.error.requestId}`
                : String(state.error)
            }
          />
          <Button size="compact-xs" variant="default" onClick={() => void saving.flush()}>
            {t('saveAgain')}
          </Button>
        </span>
      )
    case 'conflict':
      return (
        <span className={classes['saveMark']}>
          <Mark tone="bad" text={t('conflict')} />
          <Button size="compact-xs" onClick={onConflict}>
            {t('resolve')}
          </Button>
        </span>
      )
    default:
      return (
        <span className={classes['saveMark']}>
          <Mark tone="good" text={t('saved')} />
          <span className="dim">
            <When at={state.at} /> · {state.by}
          </span>
        </span>
      )
  }
}
