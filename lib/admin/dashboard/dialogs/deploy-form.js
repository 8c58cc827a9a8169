/** The dialog of deploys as markup, which the page gets once. */

const MARKUP = `
<dialog id="deploy-dialog" aria-labelledby="deploy-dialog-heading">
  <form id="deploy-form" method="dialog">
    <h2 id="deploy-dialog-heading">Deploy</h2>
    <fieldset id="deploy-fields" class="plain">
      <legend class="unseen">What to deploy</legend>
      <div class="fields">
        <label for="deploy-kind">What</label>
        <select id="deploy-kind" name="kind">
          <option value="change">A new version</option>
          <option value="restart">A restart of what runs</option>
        <option id="deploy-resume" value="resume" hidden>The rest of the interrupted deploy</option>
        </select>
      </div>
      <div id="deploy-change">
        <div id="deploy-image-row" class="fields">
          <label for="deploy-image">Image</label>
          <input id="deploy-image" name="image" type="text" autocomplete="off" spellcheck="false" />
        </div>
        <div class="fields">
          <label for="deploy-command">Command</label>
          <input id="deploy-command" name="command" type="text" autocomplete="off" spellcheck="false" />
          <label for="deploy-env">Variables</label>
          <textarea id="deploy-env" name="env" rows="2" autocomplete="off" spellcheck="false" aria-describedby="deploy-hint"></textarea>
          <p id="deploy-hint" class="note">NAME=VALUE, one a line. What is left empty stays as it is.</p>
        </div>
      </div>
      <div class="fields in-three">
        <label>At a time <input name="batch" type="number" min="1" placeholder="1" inputmode="numeric" /></label>
        <label>Watch each <input name="watch" type="text" placeholder="10s" autocomplete="off" /></label>
        <label>May fail, % <input name="errors" type="number" min="0" max="100" step="any" placeholder="1" inputmode="decimal" /></label>
      </div>
    </fieldset>
    <section class="preview" aria-labelledby="deploy-preview-heading">
      <h3 id="deploy-preview-heading">Preview</h3>
      <p id="deploy-text" role="status"></p>
      <table id="deploy-preview" hidden>
        <caption class="unseen">Replicas and what they run now</caption>
        <thead>
          <tr><th scope="col">Replica</th><th scope="col">Runs now</th></tr>
        </thead>
        <tbody id="deploy-preview-rows"></tbody>
      </table>
    </section>
    <p id="deploy-problem" class="problem" role="alert"></p>
    <div class="buttons">
      <button id="deploy-cancel" type="button">Cancel</button>
      <button id="deploy-do" type="submit" class="primary">Preview</button>
    </div>
  </form>
</dialog>
`;

export function addDeployDialog() {
  const template = document.createElement('template');
  template.innerHTML = MARKUP;
  document.body.append(template.content);
}
